// SPDX-License-Identifier: GPL-2.0

//! What the files of the module that are checked here use of the kernel, and of the files of the
//! module that are not. It does what they need, on one thread, and has hooks for the model.

use crate::hooks;
use std::cell::{Cell, RefCell};

pub(crate) mod bindings {
    use super::*;

    pub(crate) struct callback_head;

    #[repr(C)]
    pub(crate) struct seccomp_ea_node {
        pub(crate) task: usize,
    }

    thread_local! {
        static NODES: RefCell<Vec<*mut seccomp_ea_node>> = const { RefCell::new(Vec::new()) };
        static MEMORY: Cell<usize> = const { Cell::new(0) };
        static UNUSED: RefCell<Vec<*mut u8>> = const { RefCell::new(Vec::new()) };
    }

    pub(crate) unsafe fn seccomp_ea_nodes_init() -> i32 {
        0
    }

    pub(crate) unsafe fn seccomp_ea_nodes_destroy() {}

    pub(crate) unsafe fn seccomp_ea_nodes_find(task: usize) -> *mut seccomp_ea_node {
        let is_of_task = |&&node: &&*mut seccomp_ea_node| {
            // SAFETY: What is in the table is valid.
            unsafe { (*node).task == task }
        };

        NODES.with_borrow(|nodes| {
            nodes
                .iter()
                .find(is_of_task)
                .map_or(std::ptr::null_mut(), |&node| node)
        })
    }

    pub(crate) unsafe fn seccomp_ea_nodes_find_current() -> *mut seccomp_ea_node {
        // SAFETY: As above.
        unsafe { seccomp_ea_nodes_find(crate::task::current()) }
    }

    pub(crate) unsafe fn seccomp_ea_nodes_insert(node: *mut seccomp_ea_node) {
        NODES.with_borrow_mut(|nodes| nodes.push(node));
    }

    pub(crate) unsafe fn seccomp_ea_nodes_remove(node: *mut seccomp_ea_node) {
        NODES.with_borrow_mut(|nodes| nodes.retain(|&other| other != node));
    }

    fn layout(size: usize) -> std::alloc::Layout {
        std::alloc::Layout::from_size_align(size, 4096).expect("a size")
    }

    pub(crate) unsafe fn seccomp_ea_zalloc(size: usize) -> *mut u8 {
        if hooks::is_out_of_memory() {
            return std::ptr::null_mut();
        }
        MEMORY.set(MEMORY.get() + 1);
        // SAFETY: The size is not zero.
        unsafe { std::alloc::alloc_zeroed(layout(size)) }
    }

    pub(crate) unsafe fn kfree(memory: *mut u8) {
        hooks::free();
        MEMORY.set(MEMORY.get() - 1);
        // SAFETY: It is of `seccomp_ea_zalloc()`, and nothing else than a cache is.
        unsafe { std::alloc::dealloc(memory, layout(2 * 4096)) };
    }

    pub(crate) unsafe fn kvfree_call_rcu(_: *mut callback_head, memory: *mut u8) {
        UNUSED.with_borrow_mut(|unused| unused.push(memory));
    }

    /// Nobody is in an RCU read-side critical section.
    pub(crate) fn grace_period() {
        for memory in UNUSED.take() {
            // SAFETY: Nobody finds it any more, and nobody uses it any more.
            unsafe { kfree(memory) };
        }
    }

    /// How many caches were allocated and not freed, and how many can be found.
    pub(crate) fn alive() -> (usize, usize) {
        (
            MEMORY.get() - UNUSED.with_borrow(Vec::len),
            NODES.with_borrow(Vec::len),
        )
    }

    /// Frees what a run of the model leaves behind. Nothing may use it any more.
    pub(crate) fn reset() {
        grace_period();
        for node in NODES.take() {
            // SAFETY: It starts a cache that is allocated, which nobody uses any more.
            unsafe { kfree(node.cast()) };
        }
    }
}

pub(crate) mod types {
    use std::{cell::UnsafeCell, mem::MaybeUninit};

    #[repr(transparent)]
    pub(crate) struct Opaque<T>(UnsafeCell<MaybeUninit<T>>);

    impl<T> Opaque<T> {
        pub(crate) const fn uninit() -> Opaque<T> {
            Opaque(UnsafeCell::new(MaybeUninit::uninit()))
        }

        pub(crate) const fn get(&self) -> *mut T {
            self.0.get().cast()
        }
    }
}

pub(crate) mod error {
    use super::prelude::{Error, Result};

    pub(crate) fn to_result(error: i32) -> Result {
        match error {
            0 => Ok(()),
            error => Err(Error(error)),
        }
    }
}

pub(crate) mod prelude {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Error(pub(crate) i32);

    pub(crate) type Result<T = ()> = core::result::Result<T, Error>;

    pub(crate) const ENOMEM: Error = Error(-12);
    pub(crate) const EFAULT: Error = Error(-14);
    pub(crate) const E2BIG: Error = Error(-7);

    impl Error {
        pub(crate) fn to_errno(self) -> i32 {
            self.0
        }
    }
}

pub(crate) mod processor {
    pub(crate) fn cpu_relax() {
        crate::gate_steps::relax();
    }
}

pub(crate) mod uapi {
    pub(crate) const PTRACE_SEIZE: u32 = 0x4206;
    pub(crate) const PTRACE_SETOPTIONS: u32 = 0x4200;
}

pub(crate) mod sync {
    pub(crate) mod aref {
        use crate::task::Task;
        use std::cell::Cell;

        /// What counts its references.
        pub(crate) trait Counted: 'static {
            fn references(&self) -> &Cell<usize>;
        }

        impl Counted for Task {
            fn references(&self) -> &Cell<usize> {
                &self.references
            }
        }

        pub(crate) struct ARef<T: Counted>(&'static T);

        impl<T: Counted> From<&'static T> for ARef<T> {
            fn from(object: &'static T) -> ARef<T> {
                object.references().set(object.references().get() + 1);
                ARef(object)
            }
        }

        impl<T: Counted> Drop for ARef<T> {
            fn drop(&mut self) {
                self.0.references().set(self.0.references().get() - 1);
            }
        }
    }

    pub(crate) mod rcu {
        pub(crate) struct Guard;

        pub(crate) fn read_lock() -> Guard {
            Guard
        }
    }

    pub(crate) mod atomic {
        use crate::{gate_steps, hooks};
        use std::cell::Cell;

        pub(crate) mod ordering {
            pub(crate) struct Acquire;
            pub(crate) struct Relaxed;
            pub(crate) struct Release;
        }

        #[repr(transparent)]
        pub(crate) struct Atomic<T>(Cell<T>);

        impl Atomic<u32> {
            pub(crate) const fn new(value: u32) -> Atomic<u32> {
                Atomic(Cell::new(value))
            }

            pub(crate) fn load<O>(&self, _: O) -> u32 {
                gate_steps::step(|| self.0.get())
            }

            pub(crate) fn store<O>(&self, value: u32, _: O) {
                hooks::before_store();
                gate_steps::step(|| self.0.replace(value));
            }

            pub(crate) fn cmpxchg<O>(&self, old: u32, new: u32, _: O) -> Result<u32, u32> {
                let found = gate_steps::step(|| {
                    let found = self.0.get();

                    if found == old {
                        self.0.set(new);
                    }
                    found
                });

                match found == old {
                    true => Ok(found),
                    false => Err(found),
                }
            }
        }
    }
}

/// The current task and others.
pub(crate) mod task {
    use super::*;
    use std::ops::Deref;

    /// A task. What ends is never the memory of it, so that its address can be used again.
    pub(crate) struct Task {
        pub(crate) references: Cell<usize>,
        pub(crate) exec_id: Cell<u64>,
        /// The system call that is in its registers, as `(arch, nr)`.
        pub(crate) call: Cell<(u32, u32)>,
    }

    pub(crate) struct CurrentTask(Task);

    impl Deref for CurrentTask {
        type Target = Task;

        fn deref(&self) -> &Task {
            &self.0
        }
    }

    impl Task {
        pub(crate) fn as_ptr(&self) -> *const Task {
            self
        }
    }

    thread_local! {
        static CURRENT: &'static CurrentTask = Box::leak(Box::new(CurrentTask(Task {
            references: Cell::new(0),
            exec_id: Cell::new(0),
            call: Cell::new((0, 0)),
        })));
        static ARGUMENTS: Cell<[usize; 6]> = const { Cell::new([0; 6]) };
    }

    /// The task that is checked.
    pub(crate) fn current_task() -> &'static CurrentTask {
        CURRENT.with(|&task| task)
    }

    pub(crate) fn current() -> usize {
        current_task().as_ptr() as usize
    }

    pub(crate) fn system_call() -> (u32, u32) {
        current_task().call.get()
    }

    pub(crate) unsafe fn system_call_of(task: &Task) -> (u32, u32) {
        hooks::read_registers();
        task.call.get()
    }

    pub(crate) fn exec_id(task: &Task) -> u64 {
        task.exec_id.get()
    }

    pub(crate) fn seccomp_suspended() -> bool {
        hooks::is_suspended()
    }

    /// The arguments of ptrace(2), which the tracer calls.
    pub(crate) fn system_call_arguments() -> [usize; 6] {
        ARGUMENTS.get()
    }

    pub(crate) fn set_system_call_arguments(arguments: [usize; 6]) {
        ARGUMENTS.set(arguments);
    }

    pub(crate) fn without_interrupts<R>(f: impl FnOnce() -> R) -> R {
        hooks::uninterrupted(f)
    }

    pub(crate) struct FilterContext;

    impl FilterContext {
        pub(crate) fn sleep<R>(&mut self, f: impl FnOnce() -> R) -> R {
            hooks::may_sleep();
            f()
        }
    }
}

/// The current task, as the kernel crate names it.
#[macro_export]
macro_rules! current {
    () => {
        $crate::task::current_task()
    };
}

pub(crate) mod thread {
    use crate::task::{self, Task};

    pub(crate) struct Thread;

    impl Thread {
        pub(crate) fn find(_: u32) -> Option<Thread> {
            Some(Thread)
        }

        pub(crate) fn task(&self) -> &Task {
            task::current_task()
        }
    }
}

pub(crate) mod filter {
    /// A filter that is attached.
    pub(crate) struct Filter(pub(crate) u64);

    impl Filter {
        pub(crate) fn number(&self) -> Option<u64> {
            Some(self.0)
        }
    }
}

pub(crate) mod counter {
    pub(crate) enum Counter {
        Caches,
        Fetches,
        Served,
        Faults,
        DeniedNoMemory,
        DeniedUnknown,
    }

    impl Counter {
        pub(crate) fn increment(self) {}
        pub(crate) fn decrement(self) {}
    }
}

pub(crate) mod change {
    use crate::{cache::Own, table::Call};

    /// `on_change=0`.
    pub(crate) fn is_fatal(_: &mut Own<'_>, _: &Call) -> bool {
        false
    }
}

pub(crate) mod user {
    use crate::{hooks, task::FilterContext};

    pub(crate) fn read(_: &mut FilterContext, from: u64, to: &mut [u8]) -> bool {
        if to.is_empty() {
            return true;
        }
        hooks::may_sleep();
        hooks::read_memory(from, to)
    }

    pub(crate) fn is_user_range(_: u64, _: usize) -> bool {
        true
    }
}
