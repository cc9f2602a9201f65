//! Live: what is being rejected.

use std::collections::BTreeMap;

use demur_journal::{Filter, Reader, Recorded};
use jiff::Timestamp;
use minijinja::{Value, context};
use serde::Serialize;

use super::{Page, parameter, unreadable};
use crate::view::{Class, Row, STAGES, code};

/// The rows of the table.
const ROWS: usize = 200;
/// The entries that are counted, at most.
const MAX_COUNTED: usize = 50_000;
/// The time that is counted, in minutes, and the bars of it.
const MINUTES: i64 = 60;
const BARS: usize = 24;
/// The codes with a tile.
const TILES: usize = 12;

/// What is asked for.
struct Wanted {
    filter: Filter,
    words: Vec<String>,
    class: Option<String>,
    stage: Option<String>,
}

impl Wanted {
    fn of(query: &str) -> Self {
        let filter = Filter {
            code: parameter(query, "code"),
            api: parameter(query, "api"),
            account: parameter(query, "account"),
            ..Filter::default()
        };
        let words = parameter(query, "q").unwrap_or_default().to_lowercase();
        let words = words.split_whitespace().map(str::to_owned).collect();
        Self { filter, words, class: parameter(query, "class"), stage: parameter(query, "stage") }
    }

    fn matches(&self, recorded: &Recorded) -> bool {
        let entry = &recorded.entry;
        let texts =
            [&entry.code, &entry.condition, &entry.account, &entry.key, &entry.path, &entry.operation];
        let text = texts.into_iter().flatten().map(String::as_str).chain([entry.request_id.as_str()]);
        let text = text.collect::<Vec<_>>().join(" ").to_lowercase();
        let rejected = || entry.checks.iter().find(|check| check.outcome == "rejected");
        self.filter.matches(entry)
            && self.words.iter().all(|word| text.contains(word))
            && self.class.as_deref().is_none_or(|class| class == Class::of(entry).id())
            && self.stage.as_deref().is_none_or(|stage| rejected().is_some_and(|check| check.check == stage))
    }
}

/// A code with its number of rejections, as a tile with bars.
#[derive(Debug, Serialize)]
struct Tile {
    code: String,
    class: &'static str,
    count: usize,
    is_chosen: bool,
    bars: Vec<Bar>,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: String,
    y: usize,
    height: usize,
}

pub(crate) fn page(reader: &Reader, query: &str) -> Result<Page, String> {
    let wanted = Wanted::of(query);
    let mut rows = Vec::new();
    reader
        .scan(&wanted.filter, |recorded| {
            if wanted.matches(&recorded) {
                rows.push(Row::of(recorded.number, &recorded.entry));
            }
            rows.len() < ROWS
        })
        .map_err(unreadable)?;
    let counted = count(reader, wanted.filter.code.as_deref())?;
    let span = reader.span().map_err(unreadable)?;
    let last = reader.last_number().map_err(unreadable)?;
    let choices = |known: &[(&str, &str)], chosen: Option<&str>| -> Vec<Value> {
        let choice =
            |(value, name): &(&str, &str)| context! { value, name, chosen => Some(*value) == chosen };
        known.iter().map(choice).collect()
    };
    let apis: Vec<(&str, &str)> = counted.apis.iter().map(|api| (api.as_str(), api.as_str())).collect();
    let classes: Vec<(&str, &str)> = Class::ALL.iter().map(|class| (class.id(), class.name())).collect();
    let stages = STAGES.map(|stage| (stage, stage));
    let values = context! {
        rows, last, minutes => MINUTES,
        tiles => counted.tiles, total => counted.total, is_capped => counted.is_capped,
        lost => span.lost,
        query => context! {
            q => parameter(query, "q"), code => parameter(query, "code"), account => parameter(query, "account"),
            text => query,
        },
        is_filtered => !query.is_empty(),
        apis => choices(&apis, wanted.filter.api.as_deref()),
        classes => choices(&classes, wanted.class.as_deref()),
        stages => choices(&stages, wanted.stage.as_deref()),
    };
    Ok(Page::new("live.html", "Live", values))
}

/// The rows after the one with the number in the query.
pub(crate) fn rows(reader: &Reader, query: &str) -> Result<Value, String> {
    let wanted = Wanted::of(query);
    let after = parameter(query, "after").and_then(|number| number.parse().ok()).unwrap_or(i64::MAX);
    let last = reader.last_number().map_err(unreadable)?;
    let mut rows = Vec::new();
    reader
        .scan(&wanted.filter, |recorded| {
            let is_new = recorded.number > after;
            if is_new && wanted.matches(&recorded) {
                rows.push(Row::of(recorded.number, &recorded.entry));
            }
            is_new && rows.len() < ROWS
        })
        .map_err(unreadable)?;
    Ok(context! { rows, last })
}

struct Counted {
    tiles: Vec<Tile>,
    total: usize,
    is_capped: bool,
    apis: Vec<String>,
}

/// Counts the rejections of the last hour by code.
fn count(reader: &Reader, chosen: Option<&str>) -> Result<Counted, String> {
    let now = Timestamp::now().as_second();
    let begin = now - MINUTES * 60;
    let since = Timestamp::from_second(begin).ok();
    let mut codes: BTreeMap<String, (Class, [usize; BARS])> = BTreeMap::new();
    let mut apis: Vec<String> = Vec::new();
    let mut total = 0;
    let filter = Filter { since, ..Filter::default() };
    reader
        .scan(&filter, |recorded| {
            let entry = &recorded.entry;
            total += 1;
            let place = (entry.timestamp.as_second() - begin).max(0) * BARS as i64 / (MINUTES * 60);
            let place = usize::try_from(place).unwrap_or_default().min(BARS - 1);
            let (_, bars) = codes.entry(code(entry)).or_insert_with(|| (Class::of(entry), [0; BARS]));
            bars[place] += 1;
            if let Some(api) = entry.api.as_ref().filter(|api| !apis.contains(api)) {
                apis.push(api.clone());
            }
            total < MAX_COUNTED
        })
        .map_err(unreadable)?;
    let mut tiles: Vec<Tile> = codes
        .into_iter()
        .map(|(code, (class, bars))| {
            let (count, most) = (bars.iter().sum(), bars.iter().copied().max().unwrap_or(1).max(1));
            let bar = |(place, count): (usize, &usize)| {
                let height = if *count == 0 { 0 } else { (count * 16 / most).max(2) };
                Bar { x: format!("{:.2}", place as f64 * 100.0 / BARS as f64), y: 18 - height, height }
            };
            let bars = bars.iter().enumerate().map(bar).filter(|bar| bar.height > 0).collect();
            Tile { is_chosen: chosen == Some(code.as_str()), code, class: class.id(), count, bars }
        })
        .collect();
    tiles.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.code.cmp(&other.code)));
    tiles.truncate(TILES);
    apis.sort();
    Ok(Counted { tiles, total, is_capped: total == MAX_COUNTED, apis })
}
