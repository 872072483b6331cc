// SPDX-License-Identifier: GPL-2.0

//! Which filters may be installed: the rule of Documentation/filters.rst, by enumeration. The numbers of
//! system calls are followed one by one, some hundred that stand for all others.

use crate::contract::{self, Alu, Op, Operand, Test, CALLS, INFO, STRUCT, X32};
use std::sync::LazyLock;

/// Why a filter is to be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    Unaligned,
    OutOfRange,
    NoStruct { i386: bool, number: u32 },
    Absent { row: usize },
}

/// What the rule says of a filter.
pub struct Judgement {
    /// The calls that are inspected, a bit for each, on x86-64 and on i386; or the first instruction
    /// that is wrong.
    pub result: Result<[u32; 2], (usize, Wrong)>,
    /// Whether the module has to come to just this. It may be more careful where the numbers that are
    /// left, outside of [`WINDOW`], are not those from one to another.
    pub exact: bool,
}

/// Within these numbers the module knows each by itself.
const WINDOW: [u32; 2] = [298, 553];

/// The first and the last number of each range that is known outside of them.
const AREAS: [[u32; 2]; 4] = [
    [0, WINDOW[0] - 1],
    [WINDOW[1] + 1, X32 - 1],
    [X32, X32 | (X32 - 1)],
    [1 << 31, u32::MAX],
];

/// What is known of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Unknown,
    Constant(u32),
    /// These bits of the number.
    Number(u32),
}

/// What is known in front of an instruction.
#[derive(Clone, Copy)]
struct State {
    /// The numbers that can come here, a bit for each of [`Numbers::all`].
    numbers: u128,
    a: Value,
    x: Value,
    memory: [Value; 16],
}

impl State {
    const NOWHERE: Self = Self {
        numbers: 0,
        a: Value::Unknown,
        x: Value::Unknown,
        memory: [Value::Unknown; 16],
    };
}

/// The numbers that are followed, in order: the first of all that a filter treats alike are among them.
struct Numbers {
    all: Vec<u32>,
    i386: bool,
    /// Those of calls that have a struct.
    with_struct: u128,
    areas: [u128; 4],
    /// Numbers that turn out to be of interest.
    more: Vec<u32>,
    exact: bool,
}

/// The numbers that matter whatever a filter does, on x86-64 and on i386.
static ALWAYS: [LazyLock<Vec<u32>>; 2] = [
    LazyLock::new(|| numbers_that_matter(false)),
    LazyLock::new(|| numbers_that_matter(true)),
];

fn numbers_that_matter(i386: bool) -> Vec<u32> {
    let mut numbers = [AREAS.as_flattened(), &WINDOW].concat();
    for call in &CALLS {
        let number = call.numbers[usize::from(i386)];
        numbers.extend([number - 1, number, number + 1]);
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Adds a number to those that are in order.
fn insert(all: &mut Vec<u32>, number: u32) {
    if let Err(place) = all.binary_search(&number) {
        all.insert(place, number);
    }
}

impl Numbers {
    fn new(i386: bool, more: &[u32]) -> Self {
        let mut all = Vec::with_capacity(256);
        all.extend_from_slice(&ALWAYS[usize::from(i386)]);
        for &number in more {
            insert(&mut all, number);
        }

        let exact = all.len() <= 128;
        all.truncate(128);
        let mut numbers = Self {
            with_struct: 0,
            areas: [0; 4],
            i386,
            more: Vec::new(),
            exact,
            all,
        };
        numbers.areas = AREAS.map(|[first, last]| numbers.upto(last) & !numbers.below(first));
        for call in &CALLS {
            if let Ok(bit) = numbers.all.binary_search(&call.numbers[usize::from(i386)]) {
                numbers.with_struct |= 1 << bit;
            }
        }
        numbers
    }

    /// Those less than a limit.
    fn below(&self, limit: u32) -> u128 {
        match self.all.partition_point(|&number| number < limit) {
            128 => u128::MAX,
            count => (1 << count) - 1,
        }
    }

    /// Those up to a number.
    fn upto(&self, last: u32) -> u128 {
        last.checked_add(1)
            .map_or(u128::MAX, |limit| self.below(limit))
    }

    /// Notes down whether all numbers between two that are left are left as well.
    fn note(&mut self, numbers: u128) {
        self.exact &= self.areas.iter().all(|area| {
            let left = numbers & area;
            let run = left.checked_shr(left.trailing_zeros()).unwrap_or(0);
            run & run.wrapping_add(1) == 0
        });
    }

    fn want(&mut self, number: u32) {
        if self.all.binary_search(&number).is_err() && !self.more.contains(&number) {
            self.more.push(number);
        }
    }

    /// Those of the numbers for which a test of some bits comes out so.
    fn narrow(&mut self, numbers: u128, mask: u32, test: Test, k: u32, outcome: bool) -> u128 {
        if mask == u32::MAX && test != Test::AnyBit {
            self.want(k);
            self.want(k.wrapping_add(1));
        } else {
            let bits = if test == Test::AnyBit { mask & k } else { mask };
            if test == Test::AnyBit || test == Test::Equal {
                // Bits that are the same all over a range.
                self.exact &= bits & (X32 - 1) == 0;
            } else {
                self.exact = false;
            }
            // None of these numbers may stand for others, but one that is overlooked is among them.
            let low = bits & bits.wrapping_neg();
            for number in [k & bits, low, k & bits | X32, k & bits | 1 << 31] {
                self.want(number);
                self.want(number | !bits);
                self.want(number | !bits & (X32 - 1));
            }
        }

        let holds = match test {
            Test::Equal if mask == u32::MAX => self.upto(k) & !self.below(k),
            Test::Greater if mask == u32::MAX => !self.upto(k),
            Test::GreaterOrEqual if mask == u32::MAX => !self.below(k),
            _ => {
                let numbers = self.all.iter().rev();
                numbers.fold(0, |bits, &number| {
                    bits << 1 | u128::from(test.holds(number & mask, k))
                })
            }
        };
        let left = numbers & if outcome { holds } else { !holds };
        self.note(left);
        left
    }

    /// Those of the numbers that remain when a test of `a` with `b` comes out so.
    fn assume(&mut self, numbers: u128, test: Test, a: Value, b: Value, outcome: bool) -> u128 {
        match (a, b) {
            (Value::Constant(a), Value::Constant(b)) if test.holds(a, b) != outcome => 0,
            (Value::Number(mask), Value::Constant(k)) => {
                self.narrow(numbers, mask, test, k, outcome)
            }
            (Value::Constant(k), Value::Number(mask)) => {
                let (test, outcome) = match test {
                    Test::Greater => (Test::GreaterOrEqual, !outcome),
                    Test::GreaterOrEqual => (Test::Greater, !outcome),
                    _ => (test, outcome),
                };
                self.narrow(numbers, mask, test, k, outcome)
            }
            _ => numbers,
        }
    }

    /// The number among these that a refusal names: those of the window come first.
    fn named(&self, numbers: u128) -> u32 {
        let outside = self.areas.iter().fold(0, |all, area| all | area);
        let first = match numbers & !outside {
            0 => numbers.trailing_zeros(),
            inside => inside.trailing_zeros(),
        };
        self.all[first as usize]
    }
}

fn number(mask: u32) -> Value {
    match mask {
        0 => Value::Constant(0),
        mask => Value::Number(mask),
    }
}

fn arithmetic(alu: Alu, a: Value, b: Value) -> Value {
    match (a, b) {
        // What the processor makes of such a shift is nothing to rely on.
        (Value::Constant(_), Value::Constant(b))
            if matches!(alu, Alu::Lsh | Alu::Rsh) && b >= 32 =>
        {
            Value::Unknown
        }
        (Value::Constant(a), Value::Constant(b)) => {
            contract::compute(alu, a, b).map_or(Value::Unknown, Value::Constant)
        }
        (Value::Number(mask), Value::Constant(k)) | (Value::Constant(k), Value::Number(mask))
            if alu == Alu::And =>
        {
            number(mask & k)
        }
        _ => Value::Unknown,
    }
}

fn join(states: &mut [State], numbers: &mut Numbers, to: usize, from: &State) {
    let state = &mut states[to];

    if from.numbers == 0 {
        return;
    }
    if state.numbers == 0 {
        *state = *from;
        return;
    }
    let values = |state: &mut State| {
        let State { a, x, memory, .. } = *state;
        (a, x, memory)
    };
    let (a, x, memory) = values(state);
    let unite = |one: Value, other| if one == other { one } else { Value::Unknown };
    state.a = unite(a, from.a);
    state.x = unite(x, from.x);
    for (slot, value) in state.memory.iter_mut().enumerate() {
        *value = unite(memory[slot], from.memory[slot]);
    }
    state.numbers |= from.numbers;
    let all = state.numbers;
    numbers.note(all);
}

/// Follows all ways through a filter on one ABI.
fn follow(ops: &[Op], available: u32, numbers: &mut Numbers) -> Result<u32, (usize, Wrong)> {
    let mut states = vec![State::NOWHERE; ops.len()];
    let mut inspected = 0;

    states[0] = State {
        numbers: u128::MAX >> (128 - numbers.all.len()),
        a: Value::Constant(0),
        x: Value::Constant(0),
        ..State::NOWHERE
    };
    for (index, &op) in ops.iter().enumerate() {
        let mut state = states[index];
        if state.numbers == 0 {
            continue;
        }
        let value = |operand| match operand {
            Operand::K(k) => Value::Constant(k),
            Operand::X => state.x,
        };
        match op {
            Op::Load(0) => state.a = Value::Number(u32::MAX),
            Op::Load(4) => state.a = Value::Constant(contract::ARCHS[usize::from(numbers.i386)]),
            Op::Load(k) => {
                if k >= STRUCT {
                    let without = state.numbers & !numbers.with_struct;
                    if without != 0 {
                        let wrong = Wrong::NoStruct {
                            i386: numbers.i386,
                            number: numbers.named(without),
                        };
                        return Err((index, wrong));
                    }
                    let mut rows = 0;
                    for (bit, &number) in numbers.all.iter().enumerate() {
                        if state.numbers >> bit & 1 != 0 {
                            rows |= 1 << contract::find(numbers.i386, number).unwrap();
                        }
                    }
                    let absent: u32 = rows & !available;
                    if absent != 0 {
                        let row = absent.trailing_zeros() as usize;
                        return Err((index, Wrong::Absent { row }));
                    }
                    inspected |= rows;
                }
                state.a = Value::Unknown;
            }
            Op::Immediate { x: false, k } => state.a = Value::Constant(k),
            Op::Immediate { x: true, k } => state.x = Value::Constant(k),
            Op::Length { x: false } => state.a = Value::Constant(STRUCT),
            Op::Length { x: true } => state.x = Value::Constant(STRUCT),
            Op::Recall { x: false, slot } => state.a = state.memory[slot],
            Op::Recall { x: true, slot } => state.x = state.memory[slot],
            Op::Store { x: false, slot } => state.memory[slot] = state.a,
            Op::Store { x: true, slot } => state.memory[slot] = state.x,
            Op::Tax => state.x = state.a,
            Op::Txa => state.a = state.x,
            Op::Negate => state.a = arithmetic(Alu::Sub, Value::Constant(0), state.a),
            Op::Alu(alu, operand) => {
                let operand = value(operand);
                if alu == Alu::Div {
                    let zero = Value::Constant(0);
                    state.numbers =
                        numbers.assume(state.numbers, Test::Equal, operand, zero, false);
                }
                state.a = arithmetic(alu, state.a, operand);
            }
            Op::Jump(to) => {
                join(&mut states, numbers, to, &state);
                continue;
            }
            Op::Branch(test, operand, to) => {
                let operand = value(operand);
                for (to, outcome) in to.into_iter().zip([true, false]) {
                    let numbers_left =
                        numbers.assume(state.numbers, test, state.a, operand, outcome);
                    let state = State {
                        numbers: numbers_left,
                        ..state
                    };
                    join(&mut states, numbers, to, &state);
                }
                continue;
            }
            Op::ReturnK(_) | Op::ReturnA => continue,
        }
        join(&mut states, numbers, index + 1, &state);
    }
    Ok(inspected)
}

/// Judges a filter for a kernel that has these calls.
pub fn judge(ops: &[Op], available: u32) -> Judgement {
    let mut judgement = Judgement {
        result: Ok([0, 0]),
        exact: true,
    };
    let mut loads = false;

    for (index, &op) in ops.iter().enumerate() {
        let wrong = match op {
            Op::Load(0..STRUCT) => continue,
            Op::Load(k) if k % 4 != 0 => Wrong::Unaligned,
            Op::Load(k) if k > INFO + 8 => Wrong::OutOfRange,
            Op::Load(_) => {
                loads = true;
                continue;
            }
            _ => continue,
        };
        judgement.result = Err((index, wrong));
        return judgement;
    }
    if !loads {
        return judgement;
    }

    let mut more = Vec::new();
    for op in ops {
        if let Op::Branch(_, Operand::K(k), _) | Op::Immediate { k, .. } = *op {
            if !more.contains(&k) {
                more.extend([k, k.wrapping_add(1)]);
            }
        }
    }
    let mut inspected = [0; 2];
    for i386 in [false, true] {
        // What a filter computes is only known once it was followed.
        for round in 0.. {
            let mut numbers = Numbers::new(i386, &more);
            let result = follow(ops, available, &mut numbers);
            if !numbers.more.is_empty() && round < 2 {
                more.append(&mut numbers.more);
                continue;
            }
            judgement.exact &= numbers.exact && numbers.more.is_empty();
            match result {
                Ok(rows) => inspected[usize::from(i386)] = rows,
                Err(wrong) => {
                    judgement.result = Err(wrong);
                    return judgement;
                }
            }
            break;
        }
    }
    judgement.result = Ok(inspected);
    judgement
}
