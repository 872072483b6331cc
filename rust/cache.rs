// SPDX-License-Identifier: GPL-2.0

//! The per-thread cache: two contiguous pages that hold the copy of the EA struct.
//!
//! `struct seccomp_data` ends the first page and the struct begins the second, so that both are one
//! context for a filter, with the struct aligned to a page. What the module itself keeps lies
//! below, out of the reach of filters: they are given the address of `struct seccomp_data`, and
//! no load that verification lets pass goes below the info words.
//!
//! A thread gets its cache with its first inspected system call and loses it when it exits. The thread
//! itself writes it and reads it; supervisors read what filters see of it, as far as the gate lets
//! them. The table of caches keeps a reference on the task, so that the address of a task, the
//! key, cannot come to mean another one.

use crate::{
    bindings::{
        self,
        seccomp_ea_node, //
    },
    counter::Counter,
    gate::Gate,
    layout::{
        Data,
        Info,
        EA_SIZE, //
    },
    pass::Pass,
    serve::Fetched,
    table::Call,
    task, //
};
use core::{
    cell::UnsafeCell,
    mem::{
        offset_of,
        size_of, //
    },
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::{
        addr_of_mut,
        NonNull, //
    },
};
use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            ordering::Relaxed,
            Atomic, //
        },
        rcu, //
    },
    task::Task,
    types::Opaque, //
};

/// What the module keeps of a cache. It fills the first page up to the info words.
#[repr(C)]
struct Head {
    /// Whoever looks for another cache follows and rewrites the links of this one, at any time.
    node: Opaque<seccomp_ea_node>,
    rcu: Opaque<kernel::bindings::callback_head>,
    task: Option<ARef<Task>>,
    /// Whoever wants to read [`Pinned`] and is not the thread has to pass it.
    gate: Gate,
    /// One of [`Standing`]. Tracers change it at any time.
    standing: Atomic<u32>,
}

/// Whether the copy is for the system call that the thread is in, as far as tracers have a say in it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Standing {
    /// It is if a pass says so. Memory of zeroes says this.
    Judged,
    /// It is not: it was left behind by an earlier one.
    LeftBehind,
    /// Nobody knows.
    Unknown,
}

const FIRST_PAGE: usize = 4096;
const PADDING: usize =
    FIRST_PAGE - size_of::<Head>() - size_of::<State>() - offset_of!(Pinned, page);

/// What is known of the copy.
#[derive(Default)]
pub(crate) struct State {
    /// The filter pass that the copy belongs to. Without one there is no copy to serve.
    pub(crate) pass: Option<Pass>,
    /// The system call that the copy belongs to.
    pub(crate) call: Option<&'static Call>,
    pub(crate) fetched: Fetched,
    /// One past the last byte of the page that may not be zero.
    pub(crate) dirty: usize,
    /// The struct was changed in user memory since, and that was noticed.
    pub(crate) changed: bool,
    /// It was told of this thread that it is one that does so.
    pub(crate) told: bool,
}

/// What filters see, and supervisors.
#[repr(C)]
pub(crate) struct Pinned {
    /// Which program of the thread it is for, see [`task::exec_id`].
    pub(crate) exec_id: u64,
    pub(crate) info: Info,
    pub(crate) data: Data,
    pub(crate) page: [u8; EA_SIZE as usize],
}

/// The cache of a thread.
#[repr(C, align(4096))]
struct Cache {
    head: Head,
    state: State,
    padding: [u8; PADDING],
    pinned: UnsafeCell<Pinned>,
}

const _: () = {
    assert!(size_of::<Cache>() == 2 * FIRST_PAGE);
    assert!(offset_of!(Cache, pinned) + offset_of!(Pinned, page) == FIRST_PAGE);
    assert!(offset_of!(Pinned, data) + size_of::<Data>() == offset_of!(Pinned, page));
    assert!(offset_of!(Pinned, info) + size_of::<Info>() == offset_of!(Pinned, data));
    assert!(offset_of!(Cache, head) == 0 && offset_of!(Head, node) == 0);
};

impl Standing {
    fn read(word: &Atomic<u32>) -> Standing {
        const JUDGED: u32 = Standing::Judged as u32;
        const LEFT_BEHIND: u32 = Standing::LeftBehind as u32;

        match word.load(Relaxed) {
            JUDGED => Standing::Judged,
            LEFT_BEHIND => Standing::LeftBehind,
            _ => Standing::Unknown,
        }
    }
}

/// The cache of the current thread.
///
/// # Invariants
///
/// `gate` is that of `pinned`, and only the thread writes what is behind it.
pub(crate) struct Own<'a> {
    pub(crate) state: &'a mut State,
    gate: &'a Gate,
    standing: &'a Atomic<u32>,
    pinned: &'a UnsafeCell<Pinned>,
}

impl<'a> Own<'a> {
    /// What is pinned.
    pub(crate) fn pinned(&self) -> &Pinned {
        // SAFETY: By the type invariant nobody else writes it, and `rewrite()` borrows `self` mutably.
        unsafe { &*self.pinned.get() }
    }

    /// What is pinned, to be written, and the state with it. No supervisor sees it meanwhile.
    pub(crate) fn rewrite(&mut self) -> (&mut State, Rewrite<'_>) {
        self.gate.close();
        // Filters that run although seccomp is suspended by now are not those of the next call.
        let standing = match task::seccomp_suspended() {
            true => Standing::Unknown,
            false => Standing::Judged,
        };
        self.standing.store(standing as u32, Relaxed);
        // INVARIANT: It was closed just now, and only the current thread opens it.
        let rewrite = Rewrite {
            gate: self.gate,
            pinned: self.pinned,
        };

        (self.state, rewrite)
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing::read(self.standing)
    }

    /// The address that filters are given as their context.
    pub(crate) fn context(&self) -> usize {
        &raw const self.pinned().data as usize
    }
}

/// What is pinned while it is written.
///
/// # Invariants
///
/// `gate` is that of `pinned`, and closed.
pub(crate) struct Rewrite<'a> {
    gate: &'a Gate,
    pinned: &'a UnsafeCell<Pinned>,
}

impl Deref for Rewrite<'_> {
    type Target = Pinned;

    fn deref(&self) -> &Pinned {
        // SAFETY: By the type invariant nobody else uses it.
        unsafe { &*self.pinned.get() }
    }
}

impl DerefMut for Rewrite<'_> {
    fn deref_mut(&mut self) -> &mut Pinned {
        // SAFETY: As above.
        unsafe { &mut *self.pinned.get() }
    }
}

impl Drop for Rewrite<'_> {
    fn drop(&mut self) {
        self.gate.open();
    }
}

/// The table of caches, by the address of the task.
struct Table(Opaque<kernel::bindings::rhashtable>);

// SAFETY: A `struct rhashtable` synchronises its users.
unsafe impl Sync for Table {}

static TABLE: Table = Table(Opaque::uninit());

/// The life of the table of caches.
///
/// # Invariants
///
/// [`TABLE`] is initialised as long as the value lives.
pub(crate) struct Caches(());

impl Caches {
    /// # Safety
    ///
    /// There must be one value at most. No function of this file may be called before this one
    /// returned or after the value was dropped, nor while there is a cache may it be dropped.
    pub(crate) unsafe fn new() -> Result<Caches> {
        // SAFETY: The memory is there, and nobody uses it.
        to_result(unsafe { bindings::seccomp_ea_nodes_init(TABLE.0.get()) })?;
        // INVARIANT: It was initialised just now.
        Ok(Caches(()))
    }
}

impl Drop for Caches {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; there are no users any more, and no elements.
        unsafe { bindings::rhashtable_destroy(TABLE.0.get()) };
    }
}

/// Finds the cache of a task. It stays valid until it is released, and until the end of the RCU
/// read-side critical section that the caller may be in.
fn find(task: usize) -> Option<NonNull<Cache>> {
    let _guard = rcu::read_lock();
    // SAFETY: The table is initialised, see `Caches::new()`, and this is an RCU read-side critical
    // section.
    let node = unsafe { bindings::seccomp_ea_nodes_find(TABLE.0.get(), task) };

    // Every element of the table is the start of a `Cache`.
    NonNull::new(node.cast())
}

/// Calls `f` with the cache of the current thread, if it has one. Does not sleep itself.
pub(crate) fn with_current<R>(f: impl FnOnce(&mut Own<'_>) -> R) -> Option<R> {
    find(task::current()).map(|cache| {
        let cache = cache.as_ptr();
        // SAFETY: The cache is valid as long as the current thread runs. Only the current thread
        // uses the state. It is not in here already: nothing that `f` does is an inspected system
        // call, and a filter does not run meanwhile.
        let (state, head, pinned) =
            unsafe { (&mut (*cache).state, &(*cache).head, &(*cache).pinned) };

        // INVARIANT: They are of one cache, which is the current thread's.
        f(&mut Own {
            state,
            gate: &head.gate,
            standing: &head.standing,
            pinned,
        })
    })
}

/// What others may look at of the cache of a thread: its gate, [`Standing`], and what the gate says when
/// it may be read.
fn of<'a>(
    task: &Task,
    _guard: &'a rcu::Guard,
) -> Option<(&'a Gate, &'a Atomic<u32>, &'a UnsafeCell<Pinned>)> {
    let cache = find(task.as_ptr() as usize)?.as_ptr();

    // SAFETY: The cache is valid until the RCU read-side critical section ends.
    Some(unsafe {
        (
            &(*cache).head.gate,
            &(*cache).head.standing,
            &(*cache).pinned,
        )
    })
}

/// Notes down that the seccomp of a thread is about to be suspended.
///
/// A thread that is not `seized`, but has been stopped before, is never between its filters and its
/// copies: what is in its cache was left behind, or will be when its filters run again. One that is
/// seized may be anywhere in the call that it is in, or just out of it.
pub(crate) fn suspend(task: &Task, seized: bool) {
    let guard = rcu::read_lock();
    let Some((gate, word, pinned)) = of(task, &guard) else {
        return;
    };
    let note = |in_call| {
        let standing = match seized && in_call {
            true => Standing::Unknown,
            false => Standing::LeftBehind,
        };

        word.store(standing as u32, Relaxed);
    };

    // It is noted down in the gate, so that what the thread fetches later is not meant. One that
    // fetches right now may go on in the same call.
    gate.enter(|| {
        // SAFETY: As in `with_pinned()`.
        note(unsafe { is_for(&*pinned.get(), task::system_call_of(task)) })
    })
    .unwrap_or_else(|| note(true));
}

/// Whether a copy is for this system call, or for an earlier one like it.
fn is_for(pinned: &Pinned, (arch, nr): (u32, u32)) -> bool {
    (pinned.data.arch, pinned.data.nr) == (arch, nr)
}

/// Calls `f` with what is pinned for the system call that a thread is in.
///
/// [`None`] if nothing is: the thread has no cache, or fetches right now, or what is there was left
/// behind by another system call or another program. `f` must not sleep.
pub(crate) fn with_pinned<R>(task: &Task, f: impl FnOnce(&Pinned) -> R) -> Option<R> {
    let guard = rcu::read_lock();
    let (gate, standing, pinned) = of(task, &guard)?;

    gate.enter(|| {
        // SAFETY: The gate is entered, so that the thread does not write.
        let pinned = unsafe { &*pinned.get() };
        // SAFETY: Nor does the thread get past `release()`, and so it has a stack.
        let system_call = unsafe { task::system_call_of(task) };

        (is_for(pinned, system_call)
            && pinned.exec_id == task::exec_id(task)
            && Standing::read(standing) == Standing::Judged)
            .then(|| f(pinned))
    })
    .flatten()
}

/// Makes a cache for the current thread, which has none. May sleep.
///
/// [`ENOMEM`] if the memory, which the thread's memory cgroup is charged with, is not to be had.
pub(crate) fn create() -> Result {
    // SAFETY: Process context that may sleep.
    let memory = unsafe { bindings::seccomp_ea_zalloc(size_of::<Cache>()) };
    let cache = NonNull::new(memory.cast::<Cache>()).ok_or(ENOMEM)?;
    let cache = cache.as_ptr();

    // SAFETY: The memory is of the size and, as kmalloc() aligns powers of two to their size, of
    // the alignment of `Cache`. All fields are valid as zeroes but `state`, which is written here; the
    // gate is closed.
    unsafe {
        addr_of_mut!((*cache).state).write(State::default());
        addr_of_mut!((*cache).head.task).write(Some(ARef::from(&**kernel::current!())));
        (*(*cache).head.node.get()).task = task::current();
    }

    // SAFETY: The table is initialised, and the node is part of an object that lives until it is
    // released.
    let result = to_result(unsafe {
        bindings::seccomp_ea_nodes_insert(TABLE.0.get(), (*cache).head.node.get())
    });

    if result.is_ok() {
        Counter::Caches.increment();
    } else {
        // SAFETY: The cache is not in the table, so that nobody else knows it.
        unsafe {
            (*cache).head.task = None;
            kernel::bindings::kfree(cache.cast());
        }
    }
    // The table may also be busy or too large: no memory, for the caller.
    result.map_err(|_| ENOMEM)
}

/// Frees the cache of the current thread, which makes no more system calls. Does not sleep.
pub(crate) fn release() {
    let Some(cache) = find(task::current()) else {
        return;
    };
    let cache = cache.as_ptr();

    Counter::Caches.decrement();
    // SAFETY: The cache is valid, and in the table. Once it is not, only readers that look for
    // another one know it, and these just read the node until the grace period ends, and those who
    // find its gate closed.
    unsafe {
        (*cache).head.gate.close();
        bindings::seccomp_ea_nodes_remove(TABLE.0.get(), (*cache).head.node.get());
        (*cache).head.task = None;
        kernel::bindings::kvfree_call_rcu((*cache).head.rcu.get().cast(), cache.cast());
    }
}
