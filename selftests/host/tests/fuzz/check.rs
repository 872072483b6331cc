// SPDX-License-Identifier: GPL-2.0

//! What the module makes of an input, against the reference.

use crate::{
    contract::{self, Call, Memory, Op, Operand, User, ARCHS, CALLS, PAGE, STRUCT},
    input::{self, Source},
    judge::{self, Judgement, Wrong},
    machine::{self, End, Helper, Machine, HELPER, RECORD},
    subject::{self, Answer, Extended, Fetched, Inspected, Pass, Reason, DATA_WORDS},
};
use std::fmt;

/// How many calls with a struct a filter judges, and how many others.
const CALLS_WITH: usize = 2;
const CALLS_WITHOUT: usize = 3;

/// `SECCOMP_RET_ERRNO | ENOMEM`.
const NO_MEMORY: u32 = 0x0005_000c;

/// Takes a message and counts its bytes.
struct Message(usize);

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Panics if anything is not as it should be.
pub fn check(input: &[u8]) {
    let mut source = Source::new(input);
    let filter = input::filter(&mut source);
    let mut message = Message(0);
    let verdict = subject::verify(&filter.prog, filter.available, filter.spare, &mut message);

    assert_eq!(verdict.is_err(), message.0 != 0);
    if let Err((index, _)) = verdict {
        assert!(index < filter.prog.len());
    }
    // What the kernel itself refuses only must not do any harm.
    let Some(ops) = contract::parse(&filter.prog) else {
        return;
    };
    if filter.spare < 0 {
        assert!(verdict.is_err(), "accepted with too little memory");
        return;
    }
    let judgement = judge::judge(&ops, filter.available);
    let Some(inspected) = compare(verdict, &judgement, filter.available) else {
        return;
    };
    if !ops
        .iter()
        .any(|op| matches!(op, Op::Load(k) if *k >= STRUCT))
    {
        assert!(inspected.is_empty());
        return;
    }

    let subject = Subject::new(ops, inspected);
    for _ in 0..CALLS_WITH {
        subject.judge_with_struct(&mut source);
    }
    for _ in 0..CALLS_WITHOUT {
        subject.judge_without_struct(&mut source);
    }
    check_passes(&mut source);
}

/// Compares what the module says of a filter with what the rule says. Returns what is inspected if the
/// filter was accepted.
fn compare(
    verdict: Result<Inspected, (usize, Reason)>,
    judgement: &Judgement,
    available: u32,
) -> Option<Inspected> {
    let (index, reason) = match verdict {
        Ok(inspected) => {
            let found = [false, true].map(|i386| inspected.rows(i386));
            let rows = match judgement.result {
                Ok(rows) => rows,
                Err(wrong) => panic!("accepted: {wrong:?}"),
            };
            for (found, rows) in found.into_iter().zip(rows) {
                assert_eq!(rows & !found, 0, "not inspected: {found:#x}, {rows:#x}");
                assert_eq!(found & !available, 0, "not available: {found:#x}");
            }
            assert!(!judgement.exact || found == rows, "{found:x?}, {rows:x?}");
            assert_eq!(inspected.is_empty(), found == [0, 0]);
            return Some(inspected);
        }
        Err(refusal) => refusal,
    };

    let wrong = match reason {
        Reason::Unaligned => Wrong::Unaligned,
        Reason::OutOfRange => Wrong::OutOfRange,
        Reason::NoStruct { i386, number } => {
            assert_eq!(contract::find(i386, number), None);
            Wrong::NoStruct { i386, number }
        }
        Reason::Absent { row } => {
            assert_eq!(available >> row & 1, 0);
            Wrong::Absent { row }
        }
        Reason::Malformed => panic!("refused a filter that the kernel takes, at {index}"),
    };
    if judgement.exact {
        assert_eq!(judgement.result, Err((index, wrong)));
    }
    None
}

/// A filter that was accepted, and what became of it.
struct Subject {
    ops: Vec<Op>,
    code: Vec<Extended>,
    rows: [u32; 2],
    /// The constants of the filter.
    values: Vec<u32>,
}

impl Subject {
    fn new(ops: Vec<Op>, inspected: Inspected) -> Self {
        let mut code = subject::prologue(&inspected, HELPER, RECORD);

        assert_eq!(code.is_empty(), inspected.is_empty());
        for (index, insn) in code.iter().enumerate() {
            let is_jump =
                matches!(insn.code & 7, 5 | 6) && !matches!(insn.code & 0xf0, 0x80 | 0x90);
            if is_jump {
                let distance = usize::try_from(insn.off).expect("a jump back");
                assert!(index + 1 + distance <= code.len(), "{index}");
            }
        }
        machine::convert(&ops, &mut code);

        let mut values = vec![0, 1, 1 << 31];
        for &op in &ops {
            match op {
                Op::Branch(_, Operand::K(k), _)
                | Op::Alu(_, Operand::K(k))
                | Op::Immediate { k, .. } => values.push(k),
                _ => {}
            }
        }
        Self {
            rows: [false, true].map(|i386| inspected.rows(i386)),
            ops,
            code,
            values,
        }
    }

    /// A word that the filter may compare with something.
    fn value(&self, source: &mut Source<'_>) -> u32 {
        match source.byte() {
            byte @ 0..=15 => byte.into(),
            16..=31 => source.word(),
            byte => {
                let value = self.values[usize::from(byte) % self.values.len()];
                value.wrapping_add(u32::from(byte >> 5 == 1))
            }
        }
    }

    /// A call with a struct, one that is inspected if there is any.
    fn judge_with_struct(&self, source: &mut Source<'_>) {
        let choice = source.below(64);
        let mut i386 = choice & 1 != 0;
        i386 ^= choice < 48 && self.rows[usize::from(i386)] == 0;
        let rows = self.rows[usize::from(i386)];
        let row = match choice {
            0..48 if rows != 0 => {
                let mut rows = rows;
                for _ in 0..choice / 2 % rows.count_ones() as usize {
                    rows &= rows - 1;
                }
                rows.trailing_zeros() as usize
            }
            _ => source.below(CALLS.len()),
        };

        let call = &CALLS[row];
        let mut situation = Situation::new(self, source, call, i386);
        let arch = ARCHS[usize::from(i386)];
        let number = call.numbers[usize::from(i386)];
        let data = self.data(source, arch, number, &situation.args);
        let view = contract::view(call, i386, &situation.args, &situation.memory);
        let load = |k: u32| match data.get(k as usize / 4) {
            Some(&word) => word,
            None => view.word(k),
        };
        let verdict = contract::run(&self.ops, load);

        let found = subject::find(arch, number).unwrap();
        assert_eq!(found.row, row);
        let mut page = Box::new([0; PAGE]);
        // Once a size in the struct was read it is another one.
        let mut changes = None;
        let fetched = Fetched::fetch(found, &situation.args, &mut page, |from, to| {
            let bytes = situation.memory.read(from, to.len());
            match bytes {
                Some(bytes) => to.copy_from_slice(bytes),
                // Some of it may have been copied.
                None => to.fill(0xcc),
            }
            if let Some(word) = changes {
                let addresses = (0..).map(|offset| from.wrapping_add(offset));
                for (address, byte) in addresses.zip(to).take(8) {
                    *byte ^= u8::from(address.wrapping_sub(word) < 4) * 0x81;
                }
            } else if let contract::Size::Field { .. } = call.size {
                changes = Some(from);
            }
            bytes.is_some()
        });
        let called = rows >> row & 1 != 0;
        let run = |helper| Machine { data, helper }.run(&self.code);
        if !called {
            assert_eq!(run(Helper::None), End { verdict, called });
            return;
        }
        let answer = Helper::Fetched(subject::info(fetched.info), &page[..]);
        assert_eq!(run(answer), End { verdict, called });
        let verdict = NO_MEMORY;
        assert_eq!(run(Helper::NoMemory), End { verdict, called });

        // What the call gets is what it would have got. By now memory is there that was not, and the other
        // way round.
        let known = call.first as usize + source.below(80);
        let get = |user: &dyn User| {
            contract::copy_struct(user, call, i386, &situation.args, known).map(<[u8]>::to_vec)
        };
        let expected = get(&situation.memory);
        let claimed = view.passed;
        let is_fault = view.error != 0;
        situation.memory.mapped = situation.memory.mapped.map(|mapped| !mapped);
        let copy = Served {
            fetched: &fetched,
            page: &page,
            memory: &situation.memory,
        };
        assert_eq!(get(&copy), expected, "known {known}");
        check_copies(source, &copy, call, situation.start, claimed, is_fault);
    }

    /// A call whose struct is not read, or that has none.
    fn judge_without_struct(&self, source: &mut Source<'_>) {
        let i386 = source.byte() & 1 != 0;
        let number = self.value(source);
        if contract::find(i386, number)
            .is_some_and(|row| self.rows[usize::from(i386)] >> row & 1 != 0)
        {
            return;
        }
        let args = [0; 6].map(|_: u64| self.argument(source));
        let data = self.data(source, ARCHS[usize::from(i386)], number, &args);
        let verdict = contract::run(&self.ops, |k| data[k as usize / 4]);
        let (helper, called) = (Helper::None, false);

        assert_eq!(
            Machine { data, helper }.run(&self.code),
            End { verdict, called }
        );
    }

    fn argument(&self, source: &mut Source<'_>) -> u64 {
        u64::from(self.value(source)) | u64::from(self.value(source)) << 32
    }

    /// `struct seccomp_data`.
    fn data(
        &self,
        source: &mut Source<'_>,
        arch: u32,
        number: u32,
        args: &[u64; 6],
    ) -> [u32; DATA_WORDS] {
        let mut data = [0; DATA_WORDS];

        data[..4].copy_from_slice(&[number, arch, self.value(source), self.value(source)]);
        for (words, &arg) in data[4..].chunks_exact_mut(2).zip(args) {
            words.copy_from_slice(&[arg as u32, (arg >> 32) as u32]);
        }
        data
    }
}

/// The arguments of a call, and the memory that they point to.
struct Situation {
    args: [u64; 6],
    start: u64,
    memory: Memory,
}

impl Situation {
    fn new(subject: &Subject, source: &mut Source<'_>, call: &Call, i386: bool) -> Self {
        // The last one ends where user memory can be.
        const BASES: [u64; 4] = [0x1_0000, 0xffff_e000, 0x7fff_f000, 0x7fff_ffff_e000];
        let base = BASES[source.below(if i386 { 3 } else { 4 })];
        let pages = source.byte();
        let mut memory = Memory {
            base,
            mapped: [pages & 7 != 0, pages & 56 != 0],
            bytes: vec![0; 2 * PAGE].try_into().unwrap(),
            limit: 0x7fff_ffff_f000,
        };

        let size = match source.below(64) {
            0 => 0,
            1..=4 => source.below(call.first as usize) as u64,
            5 => PAGE as u64 - source.below(16) as u64,
            6 => u64::from(source.word()) % PAGE as u64,
            7..=9 => PAGE as u64 + source.below(16) as u64,
            10..=11 => u64::from(source.word()),
            12..=13 => subject.argument(source),
            14..=29 => call.first,
            _ => call.first + source.below(96) as u64,
        };
        let offset = match source.below(8) {
            0..=1 => source.below(256),
            2..=4 => PAGE - source.below(128),
            5 => 2 * PAGE - (size as usize).min(PAGE),
            6 => 2 * PAGE - source.below(128),
            _ => 0usize.wrapping_sub(source.below(64)),
        };
        let start = base.wrapping_add(offset as u64);

        let span = match size {
            0..=15 => 16,
            16..=512 => size as usize,
            _ => 64,
        };
        let mut put = |at: usize, bytes: &[u8]| {
            if let Some(to) = memory.bytes.get_mut(at..at.wrapping_add(bytes.len())) {
                to.copy_from_slice(bytes);
            }
        };
        if source.byte() & 3 == 0 {
            for word in 0..span / 4 {
                put(
                    offset.wrapping_add(4 * word),
                    &subject.value(source).to_ne_bytes(),
                );
            }
        }
        for _ in 0..source.below(4) {
            let at = offset.wrapping_add(4 * source.below(span / 4));
            put(at, &subject.value(source).to_ne_bytes());
        }
        put(
            offset.wrapping_add(source.below(span)),
            &[source.byte() & 0x81],
        );

        let mut args = [0; 6].map(|_: u64| subject.argument(source));
        args[call.pointer] = start
            | if i386 {
                args[call.pointer] & !0xffff_ffff
            } else {
                0
            };
        match call.size {
            contract::Size::Argument(index) => {
                args[index] = size | if i386 { args[index] & !0xffff_ffff } else { 0 };
            }
            contract::Size::Field { offset: field, .. } => {
                put(
                    offset.wrapping_add(field as usize),
                    &(size as u32).to_ne_bytes(),
                );
            }
        }
        Self {
            start: contract::argument(i386, &args, call.pointer),
            args,
            memory,
        }
    }
}

/// The copy that a call is served from, and the memory as it is by now.
struct Served<'a> {
    fetched: &'a Fetched,
    page: &'a [u8; PAGE],
    memory: &'a Memory,
}

impl User for Served<'_> {
    fn get_user(&self, from: u64) -> Option<u32> {
        match self.fetched.word(from) {
            Answer::Done(word) => Some(word),
            Answer::Fault => None,
            Answer::Usual => self.memory.get_user(from),
        }
    }

    fn copy_from_user(&self, from: u64, len: usize) -> Option<&[u8]> {
        match self.fetched.copy(from, len) {
            Answer::Done(offset) => Some(&self.page[offset..offset + len]),
            Answer::Fault => None,
            Answer::Usual => self.memory.copy_from_user(from, len),
        }
    }

    fn check_zeroed_user(&self, from: u64, len: usize) -> Option<bool> {
        if !self.memory.is_user_range(from, len) {
            return None;
        }
        match self.fetched.zeroed(from, len, self.page) {
            Answer::Done(zeroed) => Some(zeroed),
            Answer::Fault => None,
            Answer::Usual => self.memory.check_zeroed_user(from, len),
        }
    }
}

/// Copies of parts: from the copy or not at all, but for an array, which is elsewhere.
fn check_copies(
    source: &mut Source<'_>,
    copy: &Served<'_>,
    call: &Call,
    start: u64,
    claimed: u64,
    is_fault: bool,
) {
    let skip = u64::from(source.byte() % 32).wrapping_sub(8);
    let skip = if source.byte() & 1 == 0 { 0 } else { skip };
    let len = match source.byte() & 3 {
        0 => (claimed as usize)
            .saturating_add(1)
            .saturating_sub(source.below(3))
            .max(1),
        _ => 1 + source.below(100),
    };
    let from = start.wrapping_add(skip);
    let fits = skip
        .checked_add(len as u64)
        .is_some_and(|end| end <= claimed);
    let expected = match () {
        _ if call.array && (skip != 0 || !fits) => Answer::Usual,
        _ if fits && !is_fault && claimed >= call.first => Answer::Done(skip as usize),
        _ => Answer::Fault,
    };

    assert_eq!(
        copy.fetched.copy(from, len),
        expected,
        "{skip}, {len}, {claimed}"
    );
    if let Answer::Done(offset) = expected {
        let zeroed = copy.page[offset..offset + len]
            .iter()
            .all(|&byte| byte == 0);
        let answer = copy.fetched.zeroed(from, len, copy.page);
        assert_eq!(answer, Answer::Done(zeroed));
    }
}

/// A thread's filters judge a few calls: the first that reads a struct fetches it, the others do not.
fn check_passes(source: &mut Source<'_>) {
    // The number of a filter, and which of two calls it inspects. The newest comes first.
    let mut chain: Vec<(u64, u8)> = Vec::new();
    let others = [(ARCHS[0], 437), (ARCHS[1], 435), (ARCHS[1], 437)];
    let calls = [(ARCHS[0], 435), others[source.below(others.len())]];
    let mut pass = None;
    let mut last = 0;

    for _ in 0..4 {
        let choice = source.byte();
        for _ in 0..choice & 3 {
            last += 1 + u64::from(choice >> 6);
            chain.insert(0, (last, source.byte()));
        }
        let which = choice >> 2 & 1;
        let (arch, number) = calls[usize::from(which)];
        let mut first = true;
        for &(filter, inspects) in &chain {
            if inspects >> which & 1 != 0 {
                assert_eq!(Pass::ask(&mut pass, arch, number, filter), first);
                assert!(pass.is_some_and(|pass| pass.covers(arch, number)));
                assert!(!pass.is_some_and(|pass| pass.covers(arch, number + 1)));
                first = false;
            }
        }
    }
}
