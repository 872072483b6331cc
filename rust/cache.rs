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
    task::{
        self,
        FilterContext, //
    }, //
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
    /// Whoever looks for another cache follows the links of this one at any time, and whoever adds or
    /// removes a neighbour of it rewrites them.
    node: Opaque<seccomp_ea_node>,
    rcu: Opaque<kernel::bindings::callback_head>,
    task: Option<ARef<Task>>,
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
const PADDING: usize = FIRST_PAGE
    - size_of::<Head>()
    - size_of::<State>()
    - offset_of!(Shared, pinned)
    - offset_of!(Pinned, page);

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

/// What others look at as well as the thread.
#[repr(C)]
struct Shared {
    /// Whoever wants to read [`Pinned`] and is not the thread has to pass it.
    gate: Gate,
    /// One of [`Standing`]. Tracers change it at any time.
    standing: Atomic<u32>,
    pinned: UnsafeCell<Pinned>,
}

/// The cache of a thread.
#[repr(C, align(4096))]
struct Cache {
    head: Head,
    state: State,
    padding: [u8; PADDING],
    shared: Shared,
}

const _: () = {
    assert!(size_of::<Cache>() == 2 * FIRST_PAGE);
    assert!(
        offset_of!(Cache, shared) + offset_of!(Shared, pinned) + offset_of!(Pinned, page)
            == FIRST_PAGE
    );
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
/// Both are of one cache, and of the current thread, which alone writes what is behind the gate.
pub(crate) struct Own<'a> {
    pub(crate) state: &'a mut State,
    shared: &'a Shared,
}

impl<'a> Own<'a> {
    /// What is pinned.
    pub(crate) fn pinned(&self) -> &Pinned {
        // SAFETY: By the type invariant nobody else writes it, and `rewrite()` borrows `self` mutably.
        unsafe { &*self.shared.pinned.get() }
    }

    /// What is pinned, to be written, and the state with it. No supervisor sees it meanwhile.
    pub(crate) fn rewrite(&mut self) -> (&mut State, Rewrite<'_>) {
        self.shared.gate.close();
        // Filters that run although seccomp is suspended by now are not those of the next call.
        let standing = match task::seccomp_suspended() {
            true => Standing::Unknown,
            false => Standing::Judged,
        };
        self.shared.standing.store(standing as u32, Relaxed);
        // INVARIANT: It was closed just now, and only the current thread opens it.
        (self.state, Rewrite(self.shared))
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing::read(&self.shared.standing)
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
/// Its gate is closed.
pub(crate) struct Rewrite<'a>(&'a Shared);

impl Deref for Rewrite<'_> {
    type Target = Pinned;

    fn deref(&self) -> &Pinned {
        // SAFETY: By the type invariant nobody else uses it.
        unsafe { &*self.0.pinned.get() }
    }
}

impl DerefMut for Rewrite<'_> {
    fn deref_mut(&mut self) -> &mut Pinned {
        // SAFETY: As above.
        unsafe { &mut *self.0.pinned.get() }
    }
}

impl Drop for Rewrite<'_> {
    fn drop(&mut self) {
        self.0.gate.open();
    }
}

/// The life of the table of caches.
///
/// # Invariants
///
/// The table (`nodes.c`) is there as long as the value lives.
pub(crate) struct Caches(());

impl Caches {
    /// # Safety
    ///
    /// There must be one value at most. No function of this file may be called before this one
    /// returned or after the value was dropped, nor while there is a cache may it be dropped.
    pub(crate) unsafe fn new() -> Result<Caches> {
        // SAFETY: By the safety requirement there is none yet.
        to_result(unsafe { bindings::seccomp_ea_nodes_init() })?;
        // INVARIANT: It was made just now.
        Ok(Caches(()))
    }
}

impl Drop for Caches {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; there are no users any more, and no elements.
        unsafe { bindings::seccomp_ea_nodes_destroy() };
    }
}

/// Finds the cache of the current task, which stays valid until the task releases it.
fn find_current() -> Option<NonNull<Cache>> {
    // SAFETY: The table is there, see `Caches::new()`.
    let node = unsafe { bindings::seccomp_ea_nodes_find_current() };

    // Every element of the table is the start of a `Cache`.
    NonNull::new(node.cast())
}

/// Calls `f` with a cache.
///
/// # Safety
///
/// It must be that of the current thread, which has not released it, and is not in here already.
unsafe fn with<R>(cache: NonNull<Cache>, f: impl FnOnce(&mut Own<'_>) -> R) -> R {
    let cache = cache.as_ptr();
    // SAFETY: By the safety requirement the cache is valid, and nobody else uses the state.
    let (state, shared) = unsafe { (&mut (*cache).state, &(*cache).shared) };

    // INVARIANT: They are of one cache, which is the current thread's.
    f(&mut Own { state, shared })
}

/// Calls `f` with the cache of the current thread, if it has one. Does not sleep itself.
pub(crate) fn with_current<R>(f: impl FnOnce(&mut Own<'_>) -> R) -> Option<R> {
    // SAFETY: It is that of the current thread, which is in `f` but once: no `f` of the module's looks
    // for the cache again, makes an inspected system call, or runs a filter.
    find_current().map(|cache| unsafe { with(cache, f) })
}

/// Calls `f` with the cache of the current thread, which gets one if it has none. May sleep.
///
/// [`ENOMEM`] if the memory, which the thread's memory cgroup is charged with, is not to be had.
pub(crate) fn with_any<R>(
    context: &mut FilterContext,
    f: impl FnOnce(&mut FilterContext, &mut Own<'_>) -> R,
) -> Result<R> {
    let cache = match find_current() {
        Some(cache) => cache,
        None => context.sleep(create)?,
    };

    // SAFETY: As in `with_current()`.
    Ok(unsafe { with(cache, |cache| f(context, cache)) })
}

/// What others may look at of the cache of a thread.
fn shared<'a>(task: &Task, _guard: &'a rcu::Guard) -> Option<&'a Shared> {
    // SAFETY: The table is there, see `Caches::new()`, and this is an RCU read-side critical section.
    let node = unsafe { bindings::seccomp_ea_nodes_find(task.as_ptr() as usize) };
    // Every element of the table is the start of a `Cache`.
    let cache = NonNull::new(node.cast::<Cache>())?.as_ptr();

    // SAFETY: The cache is valid until that section ends.
    Some(unsafe { &(*cache).shared })
}

/// Notes down that the seccomp of a thread is about to be suspended.
///
/// A thread that is not `seized`, but has been stopped before, is never between its filters and its
/// copies: what is in its cache was left behind, or will be when its filters run again. One that is
/// seized may be anywhere in the call that it is in, or just out of it.
pub(crate) fn suspend(task: &Task, seized: bool) {
    let guard = rcu::read_lock();
    let Some(shared) = shared(task, &guard) else {
        return;
    };
    let note = |in_call| {
        let standing = match seized && in_call {
            true => Standing::Unknown,
            false => Standing::LeftBehind,
        };

        shared.standing.store(standing as u32, Relaxed);
    };

    // It is noted down in the gate, so that what the thread fetches later is not meant. One that
    // fetches right now may go on in the same call.
    let entered = shared.gate.enter(|| {
        // SAFETY: As in `with_pinned()`.
        note(unsafe { is_for(&*shared.pinned.get(), task::system_call_of(task)) })
    });
    entered.unwrap_or_else(|| note(true));
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
    let shared = shared(task, &guard)?;
    let entered = shared.gate.enter(|| {
        // SAFETY: The gate is entered, so that the thread does not write.
        let pinned = unsafe { &*shared.pinned.get() };
        // SAFETY: Nor does the thread get past `release()`, and so it has a stack.
        let system_call = unsafe { task::system_call_of(task) };

        (is_for(pinned, system_call)
            && pinned.exec_id == task::exec_id(task)
            && Standing::read(&shared.standing) == Standing::Judged)
            .then(|| f(pinned))
    });

    entered.flatten()
}

/// Makes a cache for the current thread, which has none. May sleep. [`ENOMEM`].
#[cold]
fn create() -> Result<NonNull<Cache>> {
    // SAFETY: Process context that may sleep.
    let memory = unsafe { bindings::seccomp_ea_zalloc(size_of::<Cache>()) };
    let new = NonNull::new(memory.cast::<Cache>()).ok_or(ENOMEM)?;
    let cache = new.as_ptr();

    // SAFETY: The memory is of the size and, as kmalloc() aligns powers of two to their size, of
    // the alignment of `Cache`. All fields are valid as zeroes but `state`, which is written here; the
    // gate is closed.
    unsafe {
        addr_of_mut!((*cache).state).write(State::default());
        addr_of_mut!((*cache).head.task).write(Some(ARef::from(&**kernel::current!())));
        (*(*cache).head.node.get()).task = task::current();
    }

    // SAFETY: The table is there, and the node is part of an object that lives until it is released.
    unsafe { bindings::seccomp_ea_nodes_insert((*cache).head.node.get()) };
    Counter::Caches.increment();
    Ok(new)
}

/// Frees the cache of the current thread, which makes no more system calls. Does not sleep.
pub(crate) fn release() {
    let Some(cache) = find_current() else {
        return;
    };
    let cache = cache.as_ptr();

    Counter::Caches.decrement();
    // SAFETY: The cache is valid, and in the table. Once it is not, only readers that look for
    // another one know it, and these just read the node until the grace period ends, and those who
    // find its gate closed.
    unsafe {
        (*cache).shared.gate.close();
        bindings::seccomp_ea_nodes_remove((*cache).head.node.get());
        (*cache).head.task = None;
        kernel::bindings::kvfree_call_rcu((*cache).head.rcu.get().cast(), cache.cast());
    }
}
