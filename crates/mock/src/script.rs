//! A script: which requests are answered otherwise, by probability or by steps.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use demur_source::{Diagnostics, Fields, Node, NodeKind, Source, parse};

use crate::effect::{Effect, MAX_DELAY, Wanted};

/// Rules and steps of a script, in all.
const MAX_ENTRIES: usize = 10_000;

/// Which requests are answered otherwise. The first rule that has something for a request decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    seed: u64,
    rules: Vec<Rule>,
    /// Every response is delayed by this at least.
    delay: Duration,
}

/// A rule, and how many requests it has seen.
#[derive(Debug, Clone, PartialEq)]
struct Rule {
    api: Option<String>,
    operations: Vec<String>,
    /// The share of requests that it applies to.
    probability: f64,
    steps: Vec<Step>,
    repeats: bool,
    calls: u64,
}

/// An effect for a number of requests in a row; `None` for all further ones.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    times: Option<NonZeroU64>,
    effect: Effect,
}

/// The names that rules select by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selected<'s> {
    pub(crate) api: &'s str,
    pub(crate) operation: Option<&'s str>,
}

impl Script {
    /// Reads a script in YAML or JSON, and reports all mistakes.
    pub fn read(source: &Arc<Source>) -> Result<Self, Diagnostics> {
        let root = parse(source)?;
        let mut found = Diagnostics::new();
        let script = script(&root, source, &mut found);
        match script.filter(|_| !found.has_errors()) {
            Some(script) => Ok(script),
            None => Err(found.sorted()),
        }
    }

    /// Reads one rule, as the control endpoint takes it.
    pub(crate) fn read_rule(source: &Arc<Source>) -> Result<Self, Diagnostics> {
        let root = parse(source)?;
        let mut found = Diagnostics::new();
        let rule = rule(&root, source, &mut found);
        match rule.filter(|_| !found.has_errors()) {
            Some(rule) => Ok(Self { rules: vec![rule], ..Self::default() }),
            None => Err(found.sorted()),
        }
    }

    /// What the random numbers of probabilities depend on.
    pub fn set_seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// Delays every response by this at least, up to a minute.
    pub fn set_delay(&mut self, delay: Duration) {
        self.delay = delay.min(MAX_DELAY);
    }

    /// Answers a share of the requests, from 0 to 1, with an error. Comes after the rules that there are.
    pub fn fail(&mut self, error: &str, share: f64) {
        let effect = Effect { wanted: Some(Wanted::Error(error.to_owned())), ..Effect::default() };
        let steps = vec![Step { times: None, effect }];
        let (api, operations) = (None, Vec::new());
        self.rules.push(Rule { api, operations, probability: share, steps, repeats: false, calls: 0 });
    }

    /// Puts the rules of another script before its own. `None` if there would be too many.
    pub(crate) fn prepend(&mut self, other: Script) -> Option<()> {
        // Rules that apply no more make room.
        self.rules.retain(|rule| !rule.is_over());
        if self.rules.len() + other.rules.len() > MAX_ENTRIES {
            return None;
        }
        self.rules.splice(0..0, other.rules);
        Some(())
    }

    /// The API and operations that rules name, for a check against what there is.
    pub(crate) fn names(&self) -> impl Iterator<Item = (Option<&str>, &[String])> {
        self.rules.iter().map(|rule| (rule.api.as_deref(), rule.operations.as_slice()))
    }

    /// The names of the errors in it.
    pub(crate) fn effects(&self) -> impl Iterator<Item = &Effect> {
        self.rules.iter().flat_map(|rule| rule.steps.iter().map(|step| &step.effect))
    }

    /// Counts a request, and returns what happens to it.
    pub(crate) fn next(&mut self, selected: Selected<'_>) -> Option<Effect> {
        let mut decided = None;
        for (index, rule) in self.rules.iter_mut().enumerate() {
            if !rule.selects(selected) {
                continue;
            }
            // Each rule counts the requests that no earlier rule has answered.
            let call = rule.calls;
            rule.calls += 1;
            let effect = rule.step(call).map(|step| &step.effect).filter(|effect| !effect.is_nothing());
            if let Some(effect) = effect
                && rule.probability > chance(self.seed, index as u64, call)
            {
                decided = Some(effect.clone());
                break;
            }
        }
        if !self.delay.is_zero() {
            let effect = decided.get_or_insert_default();
            effect.delay = effect.delay.max(self.delay);
        }
        decided
    }
}

impl Rule {
    fn selects(&self, Selected { api, operation }: Selected<'_>) -> bool {
        let is_operation = |known: &String| operation == Some(known.as_str());
        self.api.as_deref().is_none_or(|known| known == api)
            && (self.operations.is_empty() || self.operations.iter().any(is_operation))
    }

    fn step(&self, call: u64) -> Option<&Step> {
        let total = self.total();
        let mut left = match total {
            Some(total) if self.repeats => call % total.max(1),
            _ => call,
        };
        self.steps.iter().find(|step| match step.times {
            Some(times) if left >= times.get() => {
                left -= times.get();
                false
            }
            _ => true,
        })
    }

    /// The number of requests of all steps; `None` if the last one has no end.
    fn total(&self) -> Option<u64> {
        self.steps.iter().try_fold(0u64, |sum, step| Some(sum.saturating_add(step.times?.get())))
    }

    fn is_over(&self) -> bool {
        !self.repeats && self.total().is_some_and(|total| self.calls >= total)
    }
}

/// A number from 0 up to 1 that depends on these three alone (SplitMix64).
fn chance(seed: u64, rule: u64, call: u64) -> f64 {
    let mut mixed =
        seed ^ rule.wrapping_mul(0xa076_1d64_78bd_642f) ^ call.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for _ in 0..2 {
        mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
    }
    // 53 bits are what a float holds exactly.
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}

fn script(root: &Node, source: &Arc<Source>, found: &mut Diagnostics) -> Option<Script> {
    let mut fields = Fields::of(root, source, "a mock script", found)?;
    let seed = fields.int("seed", found).unwrap_or_default();
    let nodes = fields.list("rules", found);
    fields.finish(found);
    let rules: Vec<Rule> =
        nodes.iter().take(MAX_ENTRIES).filter_map(|node| rule(node, source, found)).collect();
    let entries = rules.iter().map(|rule| rule.steps.len()).sum::<usize>();
    if nodes.len() > MAX_ENTRIES || entries > MAX_ENTRIES {
        let message = format!("a script may have {MAX_ENTRIES} rules and steps");
        found.error(source, root.span, "too-many", message, None);
    }
    Some(Script { seed: seed.cast_unsigned(), rules, delay: Duration::ZERO })
}

fn rule(node: &Node, source: &Arc<Source>, found: &mut Diagnostics) -> Option<Rule> {
    let mut fields = Fields::of(node, source, "a rule of a mock script", found)?;
    let api = fields.text("api", found);
    let operations = fields.texts("operations", found).into_iter().map(|(name, _)| name).collect();
    let probability = fields.node("probability").map_or(Some(1.0), |node| {
        let number = match node.kind {
            NodeKind::Int(number) => Some(number as f64),
            NodeKind::Float(number) => Some(number),
            _ => None,
        };
        let number = number.filter(|number| (0.0..=1.0).contains(number));
        if number.is_none() {
            found.error(source, node.span, "probability", "`probability` must be between 0 and 1", None);
        }
        number
    });
    let repeats = fields.boolean("repeat", found).unwrap_or_default();
    let nodes = fields.list("steps", found);
    let times = times(&mut fields, source, found);
    let effect = Effect::read(&mut fields, source, found);
    let span = fields.span();
    fields.finish(found);
    let steps = match nodes {
        [] => vec![Step { times, effect }],
        nodes => {
            if !effect.is_nothing() || times.is_some() {
                let message = "a rule has either `steps` or an effect of its own";
                found.error(source, span, "conflict", message, "move the effect into a step".to_owned());
            }
            nodes.iter().take(MAX_ENTRIES).filter_map(|node| step(node, source, found)).collect()
        }
    };
    let is_nothing = steps.iter().all(|step| step.effect.is_nothing());
    if is_nothing && !found.has_errors() {
        let help = "write `error`, `status`, `delay`, `truncate_at` or `reset`".to_owned();
        found.error(source, span, "no-effect", "the rule has no effect", help);
    }
    Some(Rule { api, operations, probability: probability?, steps, repeats, calls: 0 })
}

/// A step lasts for one request, unless it says otherwise.
fn step(node: &Node, source: &Arc<Source>, found: &mut Diagnostics) -> Option<Step> {
    let mut fields = Fields::of(node, source, "a step of a mock script", found)?;
    let times = times(&mut fields, source, found).or(Some(NonZeroU64::MIN));
    let effect = Effect::read(&mut fields, source, found);
    fields.finish(found);
    Some(Step { times, effect })
}

fn times(fields: &mut Fields<'_>, source: &Arc<Source>, found: &mut Diagnostics) -> Option<NonZeroU64> {
    let node = fields.node("times")?;
    let times = match node.kind {
        NodeKind::Int(times) => u64::try_from(times).ok().and_then(NonZeroU64::new),
        _ => None,
    };
    if times.is_none() {
        found.error(source, node.span, "times", "`times` must be an integer of at least 1", None);
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Script, String> {
        Script::read(&Source::new("script.yaml", text)).map_err(|found| found.to_string())
    }

    fn play(text: &str, calls: &[&str]) -> Vec<String> {
        let mut script = read(text).unwrap_or_else(|found| panic!("{found}"));
        let mut next = |operation: &&str| match script.next(Selected { api: "a", operation: Some(operation) })
        {
            Some(Effect { wanted: Some(Wanted::Error(name)), .. }) => name,
            Some(_) => "other".to_owned(),
            None => "-".to_owned(),
        };
        calls.iter().map(&mut next).collect()
    }

    #[test]
    fn steps_apply_in_order_and_then_the_api_recovers() {
        let third = "rules: [{ steps: [{ times: 2 }, { error: busy }] }]";
        assert_eq!(play(third, &["x", "x", "x", "x"]), ["-", "-", "busy", "-"]);
        let repeated = "rules: [{ steps: [{ times: 1 }, { error: busy }], repeat: true }]";
        assert_eq!(play(repeated, &["x"; 5]), ["-", "busy", "-", "busy", "-"]);
        let twice = "rules: [{ error: busy, times: 2 }]";
        assert_eq!(play(twice, &["x"; 3]), ["busy", "busy", "-"]);
        assert_eq!(play("rules: [{ delay: 1s }]", &["x"]), ["other"]);
    }

    #[test]
    fn rules_select_operations_and_apis() {
        let of_operation = "rules: [{ operations: [y, z], error: e }]";
        assert_eq!(play(of_operation, &["x", "y", "z"]), ["-", "e", "e"]);
        assert_eq!(play("rules: [{ api: b, error: e }]", &["x"]), ["-"]);
        let first = "rules: [{ operations: y, error: e, times: 1 }, { error: f }]";
        assert_eq!(play(first, &["y", "y", "x"]), ["e", "f", "f"]);
    }

    #[test]
    fn probability_depends_on_the_seed_alone() {
        let text = "{ seed: 7, rules: [{ probability: 0.25, error: e }] }";
        let played = play(text, &["x"; 1000]);
        assert_eq!(played, play(text, &["x"; 1000]));
        assert_ne!(played, play(&text.replace('7', "8"), &["x"; 1000]));
        let count = played.iter().filter(|name| *name == "e").count();
        assert!((200..300).contains(&count), "{count}");
        assert_eq!(play("rules: [{ probability: 0, error: e }]", &["x"]), ["-"]);
        assert_eq!(play("rules: [{ probability: 1, error: e }]", &["x"]), ["e"]);
    }

    #[test]
    fn all_mistakes_are_reported() {
        for (text, message) in [
            ("rules: [{ eror: x }]", "did you mean `error`?"),
            ("rules: [{}]", "the rule has no effect"),
            ("rules: [{ error: x, status: 400 }]", "cannot be combined"),
            ("rules: [{ status: 99 }]", "between 200 and 599"),
            ("rules: [{ error: x, times: 0 }]", "at least 1"),
            ("rules: [{ error: x, probability: 2 }]", "between 0 and 1"),
            ("rules: [{ delay: 2h }]", "at most 60 seconds"),
            ("rules: [{ error: x, steps: [{ error: y }] }]", "either `steps` or an effect"),
            ("rules: [{ error: x, violations: [{ rule: param.mising, in: query }] }]", "param.missing"),
            ("rules: [{ error: x, headers: { 'a b': c } }]", "invalid header"),
            ("- x", "must be a mapping"),
        ] {
            let found = read(text).expect_err(text);
            assert!(found.contains(message), "{text}: {found}");
        }
        let found = read("rules: [{ status: 99 }, { delay: 2h }]").unwrap_err();
        assert!(found.contains("599") && found.contains("60 seconds"), "{found}");
    }

    #[test]
    fn rules_that_are_over_make_room() {
        let rule = || Script::read_rule(&Source::new("x", "{ error: e, times: 1 }")).unwrap();
        let mut script = Script::default();
        for _ in 0..MAX_ENTRIES + 10 {
            script.prepend(rule()).unwrap();
            assert!(script.next(Selected { api: "a", operation: None }).is_some());
        }
        for _ in 0..MAX_ENTRIES - script.rules.len() + 1 {
            let _ = script.prepend(rule());
        }
        assert!(script.prepend(rule()).is_none());
    }
}
