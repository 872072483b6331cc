// SPDX-License-Identifier: GPL-2.0

//! The extended programs that live, their numbers, and what they hold on to.

use kernel::{
    bindings,
    module::this_module,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    sync::atomic::{
        ordering::Relaxed,
        Atomic, //
    }, //
};

/// A reference on the module, which keeps it from being unloaded.
///
/// # Invariants
///
/// Owns one reference that `try_module_get()` took.
struct ModuleReference(());

impl ModuleReference {
    /// Fails with [`ENODEV`] while the module is being unloaded.
    fn take() -> Result<ModuleReference> {
        // SAFETY: The code that runs is the module's, so that it is valid.
        if unsafe { bindings::try_module_get(this_module::<crate::SeccompEa>().as_ptr()) } {
            // INVARIANT: It was taken just now.
            Ok(ModuleReference(()))
        } else {
            Err(ENODEV)
        }
    }
}

impl Drop for ModuleReference {
    fn drop(&mut self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::module_put(this_module::<crate::SeccompEa>().as_ptr()) };
    }
}

/// An extended program's record, to which its prologue has a pointer.
pub(crate) struct Filter {
    /// The number that the pass rule compares; 0 until the filter is attached.
    number: Atomic<u64>,
    /// The task that installs the filter, by its address.
    installer: usize,
    /// Dropped last, when nothing of the module is used any more on behalf of this filter.
    module: ModuleReference,
}

impl Filter {
    /// Makes a record for a filter that the current task installs. [`ENOMEM`], or [`ENODEV`] while
    /// the module is being unloaded. May sleep.
    pub(crate) fn new(installer: usize) -> Result<KBox<Filter>> {
        Ok(KBox::new(
            Filter {
                number: Atomic::new(0),
                installer,
                module: ModuleReference::take()?,
            },
            GFP_KERNEL_ACCOUNT,
        )?)
    }

    /// The filter's number, if it is attached. Any filter that runs is.
    pub(crate) fn number(&self) -> Option<u64> {
        Some(self.number.load(Relaxed)).filter(|&number| number != 0)
    }
}

/// All extended programs.
struct Filters {
    /// The records, by the address of the program.
    records: RBTree<usize, KBox<Filter>>,
    /// The programs that are not attached yet, by the address of the task that installs them.
    pending: RBTree<usize, usize>,
    /// The number that was given last.
    last: u64,
}

impl Filters {
    fn attach(&mut self, installer: usize) -> Option<()> {
        let program = self.pending.remove(&installer)?;
        let filter = self.records.get(&program)?;

        self.last += 1;
        filter.number.store(self.last, Relaxed);
        Some(())
    }

    fn forget(&mut self, program: usize) -> Option<KBox<Filter>> {
        let (_, filter) = self.records.remove_node(&program)?.to_key_value();

        if self.pending.get(&filter.installer) == Some(&program) {
            self.pending.remove(&filter.installer);
        }
        Some(filter)
    }
}

kernel::sync::global_lock! {
    // SAFETY: `init()` is called before anything else that uses it.
    unsafe(uninit) static FILTERS: SpinLockIrq<Option<Filters>> = None;
}

/// Prepares the registry.
///
/// # Safety
///
/// Must be called once, before all other functions of this file.
pub(crate) unsafe fn init() {
    // SAFETY: By the safety requirement.
    unsafe { FILTERS.init() };
    *FILTERS.lock() = Some(Filters {
        records: RBTree::new(),
        pending: RBTree::new(),
        last: 0,
    });
}

/// Places for an extended program in the registry: registering it cannot fail any more.
pub(crate) struct Reservation {
    record: RBTreeNodeReservation<usize, KBox<Filter>>,
    pending: RBTreeNodeReservation<usize, usize>,
}

impl Reservation {
    /// [`ENOMEM`] if there is no memory. May sleep.
    pub(crate) fn new() -> Result<Reservation> {
        Ok(Reservation {
            record: RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?,
            pending: RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?,
        })
    }

    /// Registers a program, which its installer is about to attach.
    pub(crate) fn register(self, program: usize, filter: KBox<Filter>) {
        let installer = filter.installer;
        let record = self.record.into_node(program, filter);
        let pending = self.pending.into_node(installer, program);

        if let Some(filters) = &mut *FILTERS.lock() {
            filters.records.insert(record);
            filters.pending.insert(pending);
        }
    }
}

/// Numbers the program that a task attaches, if there is one.
///
/// The caller holds the siglock under which the program gets into its chain, so that each number
/// is larger than all others in the chain. Atomic context.
pub(crate) fn attach(installer: usize) {
    if let Some(filters) = &mut *FILTERS.lock() {
        filters.attach(installer);
    }
}

/// Forgets a program that is about to be destroyed, if it is an extended one.
///
/// Nobody runs it any more. Atomic context. The module may be unloaded as soon as this has returned.
pub(crate) fn forget(program: usize) {
    let filter = FILTERS
        .lock()
        .as_mut()
        .and_then(|filters| filters.forget(program));

    if let Some(filter) = filter {
        let Filter { module, .. } = KBox::into_inner(filter);

        drop(module);
    }
}

/// Whether no extended program lives.
pub(crate) fn is_none_left() -> bool {
    FILTERS
        .lock()
        .as_ref()
        .is_none_or(|filters| filters.records.is_empty())
}
