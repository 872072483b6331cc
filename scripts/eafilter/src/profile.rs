// SPDX-License-Identifier: GPL-2.0

//! Profiles: the seccomp part of the OCI runtime specification (`config-linux.md`), what Docker adds
//! to it (`archMap`, `includes`, `excludes`), and conditions on fields of structs. And overlays, which
//! put rules in the place of those that a profile has.
//!
//! What is not known is refused: nobody should believe in a rule that is not there.

use crate::{
    action::Action,
    architecture::Architecture,
    condition::{Condition, Operator, Subject},
    field,
    json::{Document, Part, Place},
    problem::Problem,
    strict::{Number, Object, Word},
    syscall, table, uapi,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{collections::HashSet, fmt, str::FromStr};

/// A profile for one container, resolved for x86-64 kernels.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    pub(crate) default: Action,
    pub(crate) default_place: Place,
    architectures: Vec<Architecture>,
    pub(crate) rules: Vec<Rule>,
    /// What the author should know.
    pub(crate) warnings: Vec<Problem>,
}

/// What calls with one of the names get if all conditions hold.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) names: Vec<String>,
    pub(crate) action: Action,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) place: Place,
}

/// What Docker's `includes` and `excludes` are judged by.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) capabilities: Vec<String>,
    pub(crate) kernel: Version,
}

/// The version of a kernel, as far as profiles tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Rust would take a sign as well.
        let number = |text: &str| text.parse().ok().filter(|_| !text.starts_with('+'));
        text.split_once('.')
            .and_then(|(major, minor)| Some(Version(number(major)?, number(minor)?)))
            .ok_or_else(|| format!("{text:?} is not a version like \"7.3\""))
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What an action has besides its name: the lower half of what a filter returns.
type Data = Number<{ u16::MAX as u64 }>;

/// A list that may be left out, or be null as Go writes an empty one.
type List<T> = Option<Vec<T>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawProfile<'a> {
    #[serde(borrow)]
    default_action: &'a RawValue,
    default_errno_ret: Option<Data>,
    architectures: List<Word<RawArchitecture>>,
    arch_map: List<Object<RawMap>>,
    flags: List<String>,
    listener_path: Option<String>,
    listener_metadata: Option<String>,
    #[serde(borrow)]
    syscalls: List<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOverlay<'a> {
    #[serde(borrow)]
    syscalls: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawMap {
    architecture: Word<RawArchitecture>,
    sub_architectures: List<Word<RawArchitecture>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawRule<'a> {
    #[serde(borrow)]
    names: Vec<&'a RawValue>,
    #[serde(borrow)]
    action: &'a RawValue,
    errno_ret: Option<Data>,
    #[serde(borrow)]
    args: List<&'a RawValue>,
    #[allow(dead_code)]
    comment: Option<String>,
    includes: Option<Object<RawScope>>,
    excludes: Option<Object<RawScope>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawScope {
    caps: List<String>,
    arches: List<String>,
    min_kernel: Option<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawCondition {
    index: Option<Number<5>>,
    field: Option<String>,
    tail: Option<Word<RawTail>>,
    value: Option<Number<{ u64::MAX }>>,
    value_two: Option<Number<{ u64::MAX }>>,
    op: Option<Word<Operator>>,
}

#[derive(Deserialize)]
enum RawTail {
    #[serde(rename = "zero")]
    Zero,
}

/// The architectures of libseccomp 2.6, as it names them.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum RawArchitecture {
    #[serde(rename = "SCMP_ARCH_X86_64")]
    X86_64,
    #[serde(rename = "SCMP_ARCH_X86")]
    X86,
    #[serde(rename = "SCMP_ARCH_X32")]
    X32,
    #[serde(
        rename = "SCMP_ARCH_ARM",
        alias = "SCMP_ARCH_AARCH64",
        alias = "SCMP_ARCH_LOONGARCH64",
        alias = "SCMP_ARCH_M68K",
        alias = "SCMP_ARCH_MIPS",
        alias = "SCMP_ARCH_MIPS64",
        alias = "SCMP_ARCH_MIPS64N32",
        alias = "SCMP_ARCH_MIPSEL",
        alias = "SCMP_ARCH_MIPSEL64",
        alias = "SCMP_ARCH_MIPSEL64N32",
        alias = "SCMP_ARCH_PARISC",
        alias = "SCMP_ARCH_PARISC64",
        alias = "SCMP_ARCH_PPC",
        alias = "SCMP_ARCH_PPC64",
        alias = "SCMP_ARCH_PPC64LE",
        alias = "SCMP_ARCH_RISCV64",
        alias = "SCMP_ARCH_S390",
        alias = "SCMP_ARCH_S390X",
        alias = "SCMP_ARCH_SH",
        alias = "SCMP_ARCH_SHEB"
    )]
    Foreign,
}

impl RawArchitecture {
    fn known(self) -> Option<Architecture> {
        match self {
            RawArchitecture::X86_64 => Some(Architecture::X86_64),
            RawArchitecture::X86 => Some(Architecture::I386),
            RawArchitecture::X32 => Some(Architecture::X32),
            RawArchitecture::Foreign => None,
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
enum RawAction {
    #[serde(rename = "SCMP_ACT_KILL", alias = "SCMP_ACT_KILL_THREAD")]
    KillThread,
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    KillProcess,
    #[serde(rename = "SCMP_ACT_TRAP")]
    Trap,
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    #[serde(rename = "SCMP_ACT_TRACE")]
    Trace,
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    #[serde(rename = "SCMP_ACT_LOG")]
    Log,
    #[serde(rename = "SCMP_ACT_NOTIFY")]
    Notify,
}

/// `EPERM`, what an action has that has none.
const EPERM: u16 = 1;

/// The largest error that the kernel returns, `MAX_ERRNO`.
const MAX_ERRNO: u16 = 4095;

fn action(part: &Part<'_>, data: Option<Data>) -> Result<Action, Problem> {
    let Word(raw) = part.read::<Word<RawAction>>()?;
    match (raw, data.map(|Number(data)| data as u16)) {
        (RawAction::Errno, Some(errno)) if errno > MAX_ERRNO => Err(part.problem(format!(
            "its error is {errno}, and the largest one is {MAX_ERRNO}"
        ))),
        (RawAction::Errno, errno) => Ok(Action::errno(errno.unwrap_or(EPERM))),
        (RawAction::Trace, data) => Ok(Action::trace(data.unwrap_or(EPERM))),
        (_, Some(_)) => Err(part.problem("this action has no error")),
        (RawAction::KillThread, None) => Ok(Action::KILL_THREAD),
        (RawAction::KillProcess, None) => Ok(Action::KILL_PROCESS),
        (RawAction::Trap, None) => Ok(Action::TRAP),
        (RawAction::Allow, None) => Ok(Action::ALLOW),
        (RawAction::Log, None) => Ok(Action::LOG),
        (RawAction::Notify, None) => Ok(Action::USER_NOTIF),
    }
}

impl Profile {
    /// Reads the profile in a file, and keeps the rules that apply to `container`.
    pub(crate) fn parse(file: &str, text: &str, container: &Container) -> Result<Profile, Problem> {
        let document = Document::new(file, text);
        let document = document.part();
        let Object(raw) = document.read::<Object<RawProfile<'_>>>()?;
        let default = document.member("defaultAction", raw.default_action);
        let mut profile = Profile {
            default: action(&default, raw.default_errno_ret)?,
            default_place: default.place(),
            architectures: architectures(&document, &raw)?,
            rules: Vec::new(),
            warnings: Vec::new(),
        };
        for (name, given) in [
            ("flags", raw.flags.is_some_and(|flags| !flags.is_empty())),
            ("listenerPath", raw.listener_path.is_some()),
            ("listenerMetadata", raw.listener_metadata.is_some()),
        ] {
            if given {
                profile.warnings.push(
                    Problem::new("not a part of the filter: for whoever installs it")
                        .of_file(file)
                        .in_part(name),
                );
            }
        }
        profile.add_rules(&document, &raw.syscalls.unwrap_or_default(), container)?;
        Ok(profile)
    }

    /// Puts the rules of the overlay in a file in the place of all that there are for the same calls.
    ///
    /// A rule that does not apply to `container` is as if it were not there, so that it replaces none.
    pub(crate) fn overlay(
        &mut self,
        file: &str,
        text: &str,
        container: &Container,
    ) -> Result<(), Problem> {
        let document = Document::new(file, text);
        let document = document.part();
        let Object(raw) = document.read::<Object<RawOverlay<'_>>>()?;
        let mut older = std::mem::take(&mut self.rules);
        self.add_rules(&document, &raw.syscalls, container)?;
        let newer = self.rules.iter().flat_map(|rule| &rule.names);
        let newer: HashSet<&String> = newer.collect();
        for rule in &mut older {
            rule.names.retain(|name| !newer.contains(name));
        }
        older.append(&mut self.rules);
        self.rules = older;
        Ok(())
    }

    pub(crate) fn has(&self, architecture: Architecture) -> bool {
        self.architectures.contains(&architecture)
    }

    fn add_rules(
        &mut self,
        document: &Part<'_>,
        rules: &[&RawValue],
        container: &Container,
    ) -> Result<(), Problem> {
        for part in document.elements("syscalls", rules) {
            self.add_rule(&part, container)?;
        }
        Ok(())
    }

    fn add_rule(&mut self, part: &Part<'_>, container: &Container) -> Result<(), Problem> {
        let Object(raw) = part.read::<Object<RawRule<'_>>>()?;
        let mut names = Vec::new();
        for part in part.elements("names", &raw.names) {
            names.push((part.read::<String>()?, part));
        }
        if names.is_empty() {
            return Err(part.problem("names no system call"));
        }
        let action = action(&part.member("action", raw.action), raw.errno_ret)?;
        let mut conditions = Vec::new();
        let mut about_struct = false;
        for part in part.elements("args", &raw.args.unwrap_or_default()) {
            let condition = condition(&part, &names)?;
            about_struct |= condition.is_about_struct();
            conditions.push(condition);
        }
        for (name, scope) in [("includes", &raw.includes), ("excludes", &raw.excludes)] {
            let caps = scope.as_ref().and_then(|Object(scope)| scope.caps.as_ref());
            for cap in caps.into_iter().flatten() {
                if !uapi::CAPABILITIES.contains(&cap.as_str()) {
                    self.warnings.push(part.problem(format!(
                        "{name}: Linux has no capability {cap:?}, and no container has it"
                    )));
                }
            }
        }
        if !applies(&raw.includes, &raw.excludes, container) {
            return Ok(());
        }
        for (name, part) in &names {
            let is_odd = |c: char| !matches!(c, 'a'..='z' | '0'..='9' | '_');
            if name.contains(is_odd) {
                return Err(part.problem(format!("{name:?} cannot be the name of a system call")));
            }
            if !syscall::exists(name) {
                self.warnings.push(part.problem(format!(
                    "{name:?} is no system call of Linux {}: the filter says nothing about it",
                    Version(uapi::KERNEL.0, uapi::KERNEL.1)
                )));
            }
        }

        let rule = |conditions| Rule {
            names: names.iter().map(|(name, _)| name.clone()).collect(),
            action,
            conditions,
            place: part.place(),
        };
        if !repeats_argument(&conditions) {
            self.rules.push(rule(conditions));
        } else if about_struct {
            return Err(part.problem(
                "asks for an argument twice, where each condition is a rule of its own, and for a \
                 struct: make it several rules",
            ));
        } else {
            // As runc and crun do it.
            let alone = conditions.into_iter().map(|condition| vec![condition]);
            self.rules.extend(alone.map(rule));
        }
        Ok(())
    }
}

/// The ABIs of the kernel that the profile is for; x86-64 is always among them.
fn architectures(document: &Part<'_>, raw: &RawProfile<'_>) -> Result<Vec<Architecture>, Problem> {
    let named = raw.architectures.as_deref().unwrap_or_default();
    let map = raw.arch_map.as_deref().unwrap_or_default();
    if !named.is_empty() && !map.is_empty() {
        return Err(document.problem("has both \"architectures\" and \"archMap\""));
    }
    let native = map
        .iter()
        .find(|Object(map)| map.architecture.0 == RawArchitecture::X86_64);
    let mapped = native.and_then(|Object(map)| map.sub_architectures.as_deref());
    let others = named.iter().chain(mapped.unwrap_or_default());
    let mut found = vec![Architecture::X86_64];
    found.extend(others.filter_map(|Word(architecture)| architecture.known()));
    Ok(found)
}

/// Whether a rule with this scope is one for the container (`setupSeccomp()` of Docker's profiles).
fn applies(
    includes: &Option<Object<RawScope>>,
    excludes: &Option<Object<RawScope>>,
    container: &Container,
) -> bool {
    let has = |name: &String| container.capabilities.contains(name);
    let is_native = |name: &String| name == "amd64";
    let caps = |scope: &RawScope| scope.caps.clone().unwrap_or_default();
    let arches = |scope: &RawScope| scope.arches.clone().unwrap_or_default();
    let is_new = |minimum: Option<Version>| minimum.map(|minimum| container.kernel >= minimum);

    let included = includes.as_ref().is_none_or(|Object(scope)| {
        caps(scope).iter().all(has)
            && (arches(scope).is_empty() || arches(scope).iter().any(is_native))
            && is_new(scope.min_kernel).unwrap_or(true)
    });
    let excluded = excludes.as_ref().is_some_and(|Object(scope)| {
        caps(scope).iter().any(has)
            || arches(scope).iter().any(is_native)
            || is_new(scope.min_kernel).unwrap_or(false)
    });
    included && !excluded
}

fn repeats_argument(conditions: &[Condition]) -> bool {
    let mut seen = [false; 6];
    conditions.iter().any(|condition| match condition {
        Condition::Compare {
            subject: Subject::Argument(index),
            ..
        } => std::mem::replace(&mut seen[*index], true),
        _ => false,
    })
}

/// Reads a condition of a rule for calls with these names.
fn condition(part: &Part<'_>, names: &[(String, Part<'_>)]) -> Result<Condition, Problem> {
    let Object(raw) = part.read::<Object<RawCondition>>()?;
    let subject = match (raw.index, &raw.field, &raw.tail) {
        (Some(Number(index)), None, None) => Subject::Argument(index as usize),
        (None, Some(name), None) => field(part, name, names)?,
        (None, None, Some(Word(RawTail::Zero))) => {
            if raw.value.is_some() || raw.value_two.is_some() || raw.op.is_some() {
                return Err(part.problem("a tail is not compared: it has no value and no op"));
            }
            return tail(part, names);
        }
        _ => return Err(part.problem("has to have one of \"index\", \"field\" and \"tail\"")),
    };
    let missing = |name| part.problem(format!("has no \"{name}\""));
    let Word(operator) = raw.op.ok_or_else(|| missing("op"))?;
    let Number(value) = raw.value.ok_or_else(|| missing("value"))?;
    let Number(masked) = raw.value_two.unwrap_or(Number(0));
    // Those who write a zero where nothing is meant write nothing wrong.
    if operator != Operator::MaskedEqual && masked != 0 {
        return Err(part.problem("valueTwo: only SCMP_CMP_MASKED_EQ compares with it"));
    }
    if operator == Operator::MaskedEqual && masked & !value != 0 {
        return Err(part.problem(format!(
            "valueTwo: {masked:#x} has bits that the mask, value {value:#x}, has not"
        )));
    }
    if let Subject::Field(field) = subject {
        if value > field.max() {
            return Err(part.problem(format!(
                "value: {value:#x} is more than the {} bits of {} hold",
                field.width, field.name
            )));
        }
    }
    Ok(Condition::Compare {
        subject,
        operator,
        value,
        masked,
    })
}

/// The field that is named, which calls with all of these names have to have.
fn field(part: &Part<'_>, name: &str, names: &[(String, Part<'_>)]) -> Result<Subject, Problem> {
    let problem = |message: String| part.problem(format!("field: {message}"));
    let (structure, name) = name
        .split_once('.')
        .ok_or_else(|| problem(format!("{name:?} is not like \"clone_args.flags\"")))?;
    let structure = field::structure(structure)
        .ok_or_else(|| problem(format!("there is no struct {structure:?}")))?;
    let field = structure.field(name).ok_or_else(|| {
        let names: Vec<&str> = structure.fields.iter().map(|field| field.name).collect();
        problem(format!(
            "struct {} has no {name:?}, but {}",
            structure.name,
            names.join(", ")
        ))
    })?;
    for (call, _) in names {
        match syscall::with_struct(call) {
            Some(row) if row.structure == structure.name => {}
            _ => return Err(problem(format!("{call} has no struct {}", structure.name))),
        }
    }
    Ok(Subject::Field(field))
}

fn tail(part: &Part<'_>, names: &[(String, Part<'_>)]) -> Result<Condition, Problem> {
    let mut found = None;
    for (call, _) in names {
        let structure = syscall::with_struct(call).map(|row: &table::Call| row.structure);
        let structure = structure.ok_or_else(|| {
            part.problem(format!("tail: filters cannot look at a struct of {call}"))
        })?;
        if *found.get_or_insert(structure) != structure {
            return Err(part.problem("tail: the calls have different structs"));
        }
    }
    found
        .and_then(field::structure)
        .map(Condition::ZeroTail)
        .ok_or_else(|| part.problem("tail: of what?"))
}
