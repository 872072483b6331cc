// SPDX-License-Identifier: GPL-2.0

//! The life of a cache: one thread that has two filters makes system calls, executes programs and
//! exits, and its address is used again; a tracer suspends its seccomp; a supervisor reads what is
//! pinned; an attacker rewrites the struct.
//!
//! Each step is a function of the module, from its begin to its end. What may happen in the middle
//! of one happens where the module sleeps (`hooks::may_sleep`), and where a tracer has
//! decided what to note down and did not yet (`hooks::before_store`).

use crate::{
    bindings,
    cache::{self, Standing},
    filter::Filter,
    handoff::{self, Answer},
    inspect,
    layout::{Data, Info},
    pass::Pass,
    search::{explore, Broken, Explored, Model},
    serve::{Fetched, Word, Zeroed},
    suspend,
    table::Abi,
    task::{self, FilterContext},
    uapi::{PTRACE_SEIZE, PTRACE_SETOPTIONS},
};
use std::{
    cell::RefCell,
    hash::{Hash, Hasher},
    rc::Rc,
};

/// What happens in the middle of the module's functions.
pub(crate) mod hooks {
    use super::*;

    /// The thread sleeps: others do something, or not.
    pub(crate) fn may_sleep() {
        // What happens in the middle of something has no middle.
        if with(|world| std::mem::replace(&mut world.is_nested, true)) {
            return;
        }
        happens_now(|world| world.steps_of_others(), 1);
        with(|world| {
            world.is_nested = false;
        });
    }

    /// Something is about to be stored. If it is what a tracer notes down, the thread goes on first.
    pub(crate) fn before_store() {
        let is_tracer = with(|world| std::mem::replace(&mut world.is_announcing, false));

        if is_tracer {
            thread_goes_on();
        }
    }

    /// Nobody else does anything meanwhile: whoever is in the gate keeps the thread out.
    pub(crate) fn uninterrupted<R>(f: impl FnOnce() -> R) -> R {
        // A reader has found the cache, and is not in the gate yet.
        if with(|world| world.is_finding && !world.is_nested) {
            happens_now(|world| world.steps_of_thread_that_ends(), 1);
        }
        let is_nested = with(|world| std::mem::replace(&mut world.is_nested, true));
        let result = f();

        with(|world| world.is_nested = is_nested);
        result
    }

    /// A cache is freed.
    pub(crate) fn free() {
        let is_finding = with(|world| world.is_finding);

        promise(!is_finding, "what a reader has found is not freed");
    }

    /// The registers of the thread, on its stack, are read by others.
    pub(crate) fn read_registers() {
        let has_ended = with(|world| world.has_ended);

        promise(
            !has_ended,
            "a thread whose registers are read has not ended",
        );
    }

    pub(crate) fn is_suspended() -> bool {
        with(|world| world.is_suspended)
    }

    /// Whether there is no memory for a cache.
    pub(crate) fn is_out_of_memory() -> bool {
        choose(2) == 1
    }

    /// Copies from user memory, where nothing but the struct is.
    pub(crate) fn read_memory(from: u64, to: &mut [u8]) -> bool {
        let Some(bytes) = with(|world| world.memory.bytes()) else {
            return false;
        };
        let offset = (from - START) as usize;

        to.copy_from_slice(&bytes[offset..offset + to.len()]);
        true
    }
}

/// What the module is not expected to stand, as far as a model has it.
#[derive(Clone, Copy, Default)]
struct Beyond {
    /// The thread goes on when a tracer has noted down that it suspends, and the option is not yet in
    /// effect.
    not_in_effect: bool,
    /// Nobody tells the module about tracers.
    not_told: bool,
    /// A thread that sleeps in a call, between the copies, is taken for one that is stopped.
    stopped_in_call: bool,
}

/// The struct's user address: it lies on two pages.
const START: u64 = 4096 - 8;
/// The size that is passed for openat2, and the size that the kernel knows.
const CLAIMED: usize = 32;
const KNOWN: usize = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Call {
    /// Size as an argument; the tail is checked, the head is copied.
    Openat2,
    /// Size in the struct; that is read, the struct is copied.
    Statmount,
    /// The same, by the same function, but no filter inspects it.
    Listmount,
}

impl Call {
    const ALL: [Call; 3] = [Call::Openat2, Call::Statmount, Call::Listmount];

    fn registers(self) -> (u32, u32) {
        let nr = match self {
            Call::Openat2 => 437,
            Call::Statmount => 457,
            Call::Listmount => 458,
        };

        (Abi::X86_64.arch(), nr)
    }

    fn data(self) -> Data {
        let (arch, nr) = self.registers();
        let args = match self {
            Call::Openat2 => [0, 0, START, CLAIMED as u64, 0, 0],
            Call::Statmount | Call::Listmount => [START, 0, 0, 0, 0, 0],
        };

        Data {
            nr,
            arch,
            args,
            ..Data::default()
        }
    }
}

/// The struct in user memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
enum Memory {
    /// Its size is the known one, and the tail is zero.
    #[default]
    Good,
    /// Its size is zero, and the tail is not.
    Evil,
    /// It cannot be read.
    Absent,
}

impl Memory {
    fn bytes(self) -> Option<[u8; CLAIMED]> {
        let (size, fill, tail) = match self {
            Memory::Good => (KNOWN as u32, 1, 0),
            Memory::Evil => (0, 2, 2),
            Memory::Absent => return None,
        };
        let mut bytes = [fill; CLAIMED];

        bytes[..4].copy_from_slice(&size.to_ne_bytes());
        bytes[KNOWN..].fill(tail);
        Some(bytes)
    }
}

/// What a filter saw, or a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seen {
    call: (u32, u32),
    info: (u32, u32, u32),
    page: [u8; CLAIMED],
}

impl Seen {
    fn new(data: &Data, info: &Info, page: &[u8]) -> Seen {
        let mut seen = Seen {
            call: (data.arch, data.nr),
            info: (info.size, info.tail, info.error),
            page: [0; CLAIMED],
        };

        seen.page.copy_from_slice(&page[..CLAIMED]);
        seen
    }

    fn size(&self) -> usize {
        self.info.0 as usize
    }

    fn is_error(&self) -> bool {
        self.info.2 != 0
    }
}

/// Where the thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    User,
    /// At the entry of a call, where tracers stop it.
    Entry(Call),
    /// In a pass with so many filters left. `denied` if one had to, for want of memory.
    Pass {
        call: Call,
        left: u64,
        judged: Option<Seen>,
        is_denied: bool,
        is_recheck: bool,
    },
    /// Stopped by its filters.
    Trace(Call),
    /// In the call itself. It has copied so often.
    Body {
        call: Call,
        judged: Option<Seen>,
        copies: u8,
    },
}

/// All that the model knows. What the module knows is in its cache.
struct World {
    beyond: Beyond,
    place: Place,
    memory: Memory,
    is_traced: bool,
    is_suspended: bool,
    /// The thread was seized, or suspended between two passes, and got no fault since.
    in_doubt: bool,
    /// What was seen first in the pass that fetched last, and by which program.
    fetched: Option<(Seen, u64)>,
    programs: u64,
    reused: bool,
    is_nested: bool,
    is_announcing: bool,
    is_finding: bool,
    /// It has ended since a reader found its cache.
    has_ended: bool,
    broken: Option<String>,
    /// The way through what may happen in the middle: what is given, and of how many each was one.
    choices: Vec<usize>,
    chosen: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    // The thread.
    Enter(Call),
    /// `__seccomp_permit_syscall()`.
    RunFilters,
    /// `inspect::inspect()`.
    Inspect,
    Allow,
    Deny,
    Trace,
    /// `__seccomp_filter()`, again.
    RunFiltersAgain,
    /// `handoff::word()`, `handoff::zeroed()` or `handoff::copy()`.
    Copy,
    Exec,
    /// `cache::release()`, and another thread is made at the address of the task.
    Exit,
    // Others.
    Write(Memory),
    /// `PTRACE_ATTACH`.
    Attach,
    /// `suspend::announce()`.
    Seize,
    /// `suspend::announce()`.
    SetOptions,
    ClearOptions,
    /// The tracer ends.
    Detach,
    /// `cache::with_pinned()`.
    Read,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new(Beyond::default()));
}

fn with<R>(f: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(f)
}

fn promise(is_kept: bool, what: &str) {
    if !is_kept {
        with(|world| world.broken.get_or_insert(what.into()).len());
    }
}

/// Chooses one of several ways to go on. All are gone in the end, see [`Life::steps`].
fn choose(among: usize) -> usize {
    with(|world| {
        let choice = world.choices.get(world.chosen.len()).copied().unwrap_or(0);

        world.chosen.push((choice, among));
        choice
    })
}

/// So many steps of those that are possible happen now, or less.
fn happens_now(steps: impl Fn(&World) -> Vec<Step>, at_most: usize) {
    for _ in 0..at_most {
        let steps = with(|world| steps(world));

        match choose(1 + steps.len()) {
            0 => return,
            step => take(steps[step - 1]),
        }
    }
}

/// The thread goes on in the middle of something, as far as through a call.
fn thread_goes_on() {
    // In a function of its own it does not.
    if with(|world| std::mem::replace(&mut world.is_nested, true)) {
        return;
    }
    happens_now(|world| world.steps_of_thread(), 6);
    with(|world| world.is_nested = false);
}

impl World {
    fn new(beyond: Beyond) -> World {
        World {
            beyond,
            place: Place::User,
            memory: Memory::Good,
            is_traced: false,
            is_suspended: false,
            in_doubt: false,
            fetched: None,
            programs: 0,
            reused: false,
            is_nested: false,
            is_announcing: false,
            is_finding: false,
            has_ended: false,
            broken: None,
            choices: Vec::new(),
            chosen: Vec::new(),
        }
    }

    fn steps_of_thread(&self) -> Vec<Step> {
        match self.place {
            Place::User => {
                let mut steps: Vec<_> = Call::ALL.into_iter().map(Step::Enter).collect();

                if self.programs == 0 && !self.reused {
                    steps.push(Step::Exec);
                }
                if !self.reused {
                    steps.push(Step::Exit);
                }
                steps
            }
            Place::Entry(_) => vec![Step::RunFilters],
            Place::Pass { left: 1.., .. } => vec![Step::Inspect],
            Place::Pass {
                is_denied: true, ..
            } => vec![Step::Deny],
            // Without a tracer it is denied.
            Place::Pass { is_recheck, .. } if self.is_traced && !is_recheck => {
                vec![Step::Allow, Step::Deny, Step::Trace]
            }
            Place::Pass { .. } => vec![Step::Allow, Step::Deny],
            Place::Trace(_) => vec![Step::RunFiltersAgain],
            Place::Body { .. } => vec![Step::Copy],
        }
    }

    fn steps_of_thread_that_ends(&self) -> Vec<Step> {
        let mut steps = self.steps_of_thread();

        steps.retain(|&step| step == Step::Exit);
        steps
    }

    fn steps_of_others(&self) -> Vec<Step> {
        let mut steps = vec![Step::Read];
        let is_stopped = match self.place {
            Place::User | Place::Entry(_) | Place::Trace(_) => true,
            Place::Body { .. } => self.beyond.stopped_in_call,
            Place::Pass { .. } => false,
        };

        steps.extend(
            [Memory::Good, Memory::Evil, Memory::Absent]
                .into_iter()
                .filter(|&memory| memory != self.memory)
                .map(Step::Write),
        );
        match (self.is_traced, self.is_suspended) {
            (false, _) => {
                // In the middle of something it is the same as before or after.
                if !self.is_nested {
                    steps.push(Step::Attach);
                }
                steps.push(Step::Seize);
            }
            (true, false) if is_stopped => steps.extend([Step::SetOptions, Step::Detach]),
            (true, true) if is_stopped => steps.extend([Step::ClearOptions, Step::Detach]),
            (true, _) => steps.push(Step::Detach),
        }
        steps
    }
}

/// A tracer suspends the thread's seccomp.
fn suspend(request: u32) {
    let beyond = with(|world| {
        world.is_announcing = request == PTRACE_SEIZE;
        world.beyond
    });

    if !beyond.not_told {
        task::set_system_call_arguments([request as usize, 1, 0, 0, 0, 0]);
        suspend::announce();
    }
    with(|world| world.is_announcing = false);
    if beyond.not_in_effect && request == PTRACE_SEIZE {
        thread_goes_on();
    }
    with(|world| {
        world.is_traced = true;
        world.is_suspended = true;
    });
}

fn run_filters(call: Call, is_recheck: bool) {
    with(|world| {
        world.place = Place::Pass {
            call,
            left: if call == Call::Listmount { 0 } else { 2 },
            judged: None,
            is_denied: false,
            is_recheck,
        };
    });
}

fn inspect() {
    let Place::Pass {
        call,
        left,
        judged,
        is_denied,
        is_recheck,
    } = with(|world| world.place)
    else {
        return;
    };
    let context = inspect::inspect(&mut FilterContext, &call.data(), &Filter(left));
    let seen = context.map(|context| {
        let info = context - size_of::<Info>();
        let page = context + size_of::<Data>();

        // SAFETY: That is what a filter may read.
        unsafe {
            Seen::new(
                &*(context as *const Data),
                &*(info as *const Info),
                std::slice::from_raw_parts(page as *const u8, 4096),
            )
        }
    });

    if let (Some(seen), None) = (seen, judged) {
        let program = task::current_task().exec_id.get();

        with(|world| world.fetched = Some((seen, program)));
        promise(
            seen.call == call.registers(),
            "filters judge the call that the thread is in",
        );
    }
    if let (Some(seen), Some(judged)) = (seen, judged) {
        promise(seen == judged, "all filters of a pass judge one copy");
    }
    with(|world| {
        world.place = Place::Pass {
            call,
            left: left - 1,
            judged: judged.or(seen),
            is_denied: is_denied || seen.is_none(),
            is_recheck,
        };
    });
}

/// What a call gets when it copies.
enum Got {
    Usual,
    Fault,
    /// Whether this is what was judged.
    Served(bool),
}

fn copy() {
    let Place::Body {
        call,
        judged,
        copies,
    } = with(|world| world.place)
    else {
        return;
    };
    let word = |bytes: &[u8]| u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let (got, is_last) = match (call, copies) {
        (Call::Statmount | Call::Listmount, 0) => {
            let got = match handoff::word(START) {
                None => Got::Usual,
                Some(Word::Fault) => Got::Fault,
                Some(Word::Value(value)) => Got::Served(judged.is_some_and(|judged| {
                    value as usize == judged.size()
                        && (judged.is_error() || judged.size() == 0 || value == word(&judged.page))
                })),
            };

            (got, false)
        }
        (Call::Openat2, 0) => {
            let got = match handoff::zeroed(START + KNOWN as u64, CLAIMED - KNOWN) {
                None => Got::Usual,
                Some(Zeroed::Fault) => Got::Fault,
                // The call fails. Where what was judged is a fault, only the module knows the tail.
                Some(Zeroed::NonZero) if judged.is_some_and(|judged| judged.is_error()) => {
                    Got::Fault
                }
                Some(zeroed) => Got::Served(judged.is_some_and(|judged| {
                    let is_zero = judged.page[KNOWN..].iter().all(|&byte| byte == 0);

                    !judged.is_error() && is_zero == (zeroed == Zeroed::Zero)
                })),
            };

            (got, false)
        }
        _ => {
            let mut bytes = Vec::new();
            let got = match handoff::copy(START, KNOWN, |found| bytes.extend_from_slice(found)) {
                Answer::Usual => Got::Usual,
                Answer::Fault => Got::Fault,
                Answer::Done => Got::Served(judged.is_some_and(|judged| {
                    !judged.is_error() && judged.size() >= KNOWN && bytes == judged.page[..KNOWN]
                })),
            };

            (got, true)
        }
    };
    let in_doubt = with(|world| world.in_doubt);

    match (&got, judged) {
        (Got::Usual, Some(_)) => promise(false, "a judged call does not read memory"),
        (Got::Served(is_judged), Some(_)) => {
            promise(*is_judged, "a judged call is served what was judged");
        }
        (Got::Fault, Some(judged)) => promise(
            in_doubt || judged.is_error() || judged.size() < KNOWN,
            "a judged call that nobody suspended gets no fault",
        ),
        (Got::Usual, None) => {}
        (Got::Served(_), None) => promise(false, "a call that was not judged is served nothing"),
        (Got::Fault, None) => promise(in_doubt, "only what was seized gets a fault"),
    }
    with(|world| {
        let is_over = is_last || matches!(got, Got::Fault);

        world.in_doubt &= !matches!(got, Got::Fault);
        world.place = match is_over {
            true => Place::User,
            false => Place::Body {
                call,
                judged,
                copies: copies + 1,
            },
        };
    });
}

/// A supervisor reads.
fn read() {
    let task = task::current_task();

    with(|world| world.is_finding = true);
    let read = cache::with_pinned(task, |pinned| {
        promise(
            with(|world| world.is_nested),
            "a reader is not interrupted in the gate",
        );
        (
            Seen::new(&pinned.data, &pinned.info, &pinned.page),
            pinned.exec_id,
        )
    });

    with(|world| {
        world.is_finding = false;
        world.has_ended = false;
    });
    let Some((seen, program)) = read else {
        return;
    };

    let (place, fetched) = with(|world| (world.place, world.fetched));
    promise(
        fetched == Some((seen, program)),
        "a supervisor sees what was fetched last",
    );
    promise(
        program == task.exec_id.get(),
        "a supervisor sees nothing of another program",
    );
    promise(
        seen.call == task.call.get(),
        "a supervisor sees nothing of another call",
    );
    match place {
        // The documented window: the call is over, or another one has not come to its filters.
        Place::User | Place::Entry(_) | Place::Trace(_) => {}
        Place::Pass { judged, .. } => promise(
            judged.is_none_or(|judged| judged == seen),
            "a supervisor sees what is judged",
        ),
        Place::Body { judged, .. } => promise(
            judged == Some(seen),
            "a supervisor sees what the call that the thread is in executes on",
        ),
    }
}

fn exit() {
    promise(
        task::current_task().references.get() == bindings::alive().1,
        "a cache keeps its task",
    );
    cache::release();
    promise(bindings::alive() == (0, 0), "an exit frees the cache");
    promise(
        task::current_task().references.get() == 0,
        "an exit gives up the task",
    );

    // Another thread, whose first call is the one that it returns from.
    let task = task::current_task();
    task.exec_id.set(0);
    task.call.set((Abi::X86_64.arch(), 56));
    with(|world| {
        world.is_traced = false;
        world.is_suspended = false;
        world.in_doubt = false;
        world.fetched = None;
        world.reused = true;
        world.has_ended = world.is_finding;
    });
}

fn take(step: Step) {
    let place = with(|world| world.place);
    let go = |place| with(|world| world.place = place);
    let task = task::current_task();

    match (step, place) {
        (Step::Enter(call), _) => {
            task.call.set(call.registers());
            go(Place::Entry(call));
        }
        (Step::RunFilters, Place::Entry(call)) => match with(|world| world.is_suspended) {
            true => go(Place::Body {
                call,
                judged: None,
                copies: 0,
            }),
            false => run_filters(call, false),
        },
        (Step::Inspect, _) => inspect(),
        (Step::Allow, Place::Pass { call, judged, .. }) => go(Place::Body {
            call,
            judged,
            copies: 0,
        }),
        (Step::Trace, Place::Pass { call, .. }) => go(Place::Trace(call)),
        (Step::RunFiltersAgain, Place::Trace(call)) => run_filters(call, true),
        (Step::Copy, _) => copy(),
        (Step::Deny, _) => go(Place::User),
        (Step::Exec, _) => {
            task.call.set((Abi::X86_64.arch(), 59));
            task.exec_id.set(task.exec_id.get() + 1);
            with(|world| world.programs += 1);
        }
        (Step::Exit, _) => exit(),
        (Step::Write(memory), _) => with(|world| world.memory = memory),
        (Step::Attach, _) => with(|world| world.is_traced = true),
        (Step::Seize, _) => {
            suspend(PTRACE_SEIZE);
            with(|world| world.in_doubt = true);
        }
        (Step::SetOptions, _) => {
            suspend(PTRACE_SETOPTIONS);
            // Its filters run again all the same.
            with(|world| world.in_doubt |= matches!(place, Place::Trace(_)));
        }
        (Step::ClearOptions, _) => with(|world| world.is_suspended = false),
        (Step::Detach, _) => with(|world| {
            world.is_traced = false;
            world.is_suspended = false;
        }),
        (Step::Read, _) => read(),
        (Step::RunFilters | Step::Allow | Step::Trace | Step::RunFiltersAgain, _) => {}
    }
}

/// A step, with the choices that were made in it.
type Taken = (Step, Vec<usize>);

/// The way to a state, the last step first.
struct Way(Option<(Taken, Rc<Way>)>);

/// All that decides about what can happen, of the model.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Looks {
    place: Place,
    memory: Memory,
    is_traced: bool,
    is_suspended: bool,
    in_doubt: bool,
    fetched: Option<(Seen, u64)>,
    programs: u64,
    reused: bool,
    registers: (u32, u32),
}

/// The same of the cache.
#[derive(Clone, PartialEq, Eq)]
struct CacheLooks {
    pass: Option<Pass>,
    call: Option<&'static str>,
    fetched: Fetched,
    dirty: usize,
    standing: Standing,
    exec_id: u64,
    pinned: Seen,
}

#[derive(Clone)]
struct State {
    looks: Looks,
    cache: Option<CacheLooks>,
    way: Rc<Way>,
}

impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.looks == other.looks && self.cache == other.cache
    }
}

impl Eq for State {}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.looks.hash(hasher);
        if let Some(cache) = &self.cache {
            (cache.standing as u32, cache.dirty, cache.pinned).hash(hasher);
        }
    }
}

impl State {
    /// What everything looks like now.
    fn new(way: Rc<Way>) -> State {
        let looks = with(|world| Looks {
            place: world.place,
            memory: world.memory,
            is_traced: world.is_traced,
            is_suspended: world.is_suspended,
            in_doubt: world.in_doubt,
            fetched: world.fetched,
            programs: world.programs,
            reused: world.reused,
            registers: task::current_task().call.get(),
        });
        let cache = cache::with_current(|cache| {
            let pinned = cache.pinned();

            CacheLooks {
                pass: cache.state.pass,
                call: cache.state.call.map(|call| call.name),
                fetched: cache.state.fetched,
                dirty: cache.state.dirty,
                standing: cache.standing(),
                exec_id: pinned.exec_id,
                pinned: Seen::new(&pinned.data, &pinned.info, &pinned.page),
            }
        });

        State { looks, cache, way }
    }
}

struct Life(Beyond);

impl Life {
    fn again(&self, way: &Way) {
        match &way.0 {
            None => {
                let task = task::current_task();

                bindings::reset();
                task.references.set(0);
                task.exec_id.set(0);
                task.call.set((Abi::X86_64.arch(), 59));
                with(|world| *world = World::new(self.0));
            }
            Some(((step, choices), before)) => {
                self.again(before);
                take_choosing(*step, choices.clone());
            }
        }
    }
}

/// Takes a step by the choices that are given, and then by the first. Tells among how many it chose.
fn take_choosing(step: Step, choices: Vec<usize>) -> Vec<(usize, usize)> {
    with(|world| {
        world.choices = choices;
        world.chosen.clear();
    });
    take(step);
    bindings::grace_period();
    with(|world| std::mem::take(&mut world.chosen))
}

impl Model for Life {
    type State = State;
    type Step = String;

    fn start(&self) -> State {
        let way = Rc::new(Way(None));

        self.again(&way);
        State::new(way)
    }

    fn steps(&self, state: &State) -> Vec<(String, Result<State, String>)> {
        let mut found = Vec::new();

        self.again(&state.way);
        let steps = with(|world| {
            let mut steps = world.steps_of_thread();

            steps.extend(world.steps_of_others());
            steps
        });
        for step in steps {
            let mut choices = Vec::new();

            loop {
                self.again(&state.way);
                let mut chosen = take_choosing(step, choices);
                let taken = chosen.iter().map(|&(choice, _)| choice).collect();
                let name = format!("{step:?} {taken:?}");
                let next = match with(|world| world.broken.take()) {
                    Some(broken) => Err(broken),
                    None => Ok(State::new(Rc::new(Way(Some((
                        (step, taken),
                        state.way.clone(),
                    )))))),
                };

                found.push((name, next));
                // The next way to go: the last choice that has another one.
                while chosen
                    .last()
                    .is_some_and(|(choice, among)| choice + 1 == *among)
                {
                    chosen.pop();
                }
                let Some((choice, _)) = chosen.last_mut() else {
                    break;
                };
                *choice += 1;
                choices = chosen.into_iter().map(|(choice, _)| choice).collect();
            }
        }
        found
    }
}

fn check(beyond: Beyond) -> Result<Explored, Broken> {
    let result = explore(&Life(beyond));

    bindings::reset();
    result
}

fn expect_broken(beyond: Beyond, what: &str) {
    let Err(broken) = check(beyond) else {
        panic!("{what}: nothing was found");
    };

    println!("{what}: {}: {}", broken.promise, broken.way.join(", "));
}

/// As if [`Standing`] was ignored.
#[test]
fn must_be_told() {
    let beyond = Beyond {
        not_told: true,
        ..Beyond::default()
    };

    expect_broken(beyond, "tracers that nobody tells of");
}

/// Why the kernel's own stops matter: none is between the filters of a call and its copies.
#[test]
fn suspended_in_call() {
    let beyond = Beyond {
        stopped_in_call: true,
        ..Beyond::default()
    };

    expect_broken(beyond, "a thread that is taken for one that is stopped");
}

/// What is not noticed, in a few instructions of the tracer: the thread goes on.
#[test]
fn seized_and_not_in_effect() {
    let beyond = Beyond {
        not_in_effect: true,
        ..Beyond::default()
    };

    expect_broken(beyond, "a thread that goes on before it is suspended");
}

#[test]
fn cache_life_holds() {
    let explored = check(Beyond::default()).unwrap_or_else(|broken| panic!("{broken:#?}"));

    println!("cache: {explored:?}");
    assert!(explored.states > 1000);
}
