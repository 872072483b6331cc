// SPDX-License-Identifier: GPL-2.0

//! The extended programs that live, their numbers, and what they hold on to.

use crate::{
    counter::Counter,
    reference::ModuleReference,
    task, //
};
use kernel::{
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
    unsafe(uninit) static FILTERS: SpinLock<Option<Filters>> = None;
}

/// Calls `f` with the registry. Any context.
///
/// Interrupts are disabled meanwhile: the lock is also taken under a siglock, which interrupts take.
fn with_filters<R>(f: impl FnOnce(&mut Filters) -> R) -> Option<R> {
    task::without_interrupts(|| FILTERS.lock().as_mut().map(f))
}

/// Prepares the registry.
///
/// # Safety
///
/// Must be called once, before all other functions of this file.
pub(crate) unsafe fn init() {
    // SAFETY: By the safety requirement.
    unsafe { FILTERS.init() };
    task::without_interrupts(|| {
        *FILTERS.lock() = Some(Filters {
            records: RBTree::new(),
            pending: RBTree::new(),
            last: 0,
        });
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

        with_filters(|filters| {
            Counter::Filters.increment();
            filters.records.insert(record);
            filters.pending.insert(pending);
        });
    }
}

/// Numbers the program that a task attaches, if there is one.
///
/// The caller holds the siglock under which the program gets into its chain, so that each number
/// is larger than all others in the chain. Atomic context.
pub(crate) fn attach(installer: usize) {
    with_filters(|filters| filters.attach(installer));
}

/// Forgets a program that is about to be destroyed, if it is an extended one.
///
/// Nobody runs it any more. Atomic context. The module may be unloaded as soon as this has returned.
pub(crate) fn forget(program: usize) {
    let filter = with_filters(|filters| filters.forget(program));

    if let Some(filter) = filter.flatten() {
        let Filter { module, .. } = KBox::into_inner(filter);

        Counter::Filters.decrement();
        drop(module);
    }
}

/// Whether no extended program lives.
pub(crate) fn is_none_left() -> bool {
    with_filters(|filters| filters.records.is_empty()).unwrap_or(true)
}
