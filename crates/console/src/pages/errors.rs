//! Errors over time: how they develop, and which are new.

use std::collections::{BTreeMap, BTreeSet};

use demur_journal::{Filter, Reader};
use jiff::Timestamp;
use minijinja::{Value, context};

use super::{Page, parameter, unreadable};
use crate::view::{Class, code};

/// The ranges, in seconds, with the bars of each.
const RANGES: [(&str, &str, i64, usize); 4] = [
    ("10m", "10 min", 600, 20),
    ("1h", "1 h", 3_600, 30),
    ("24h", "24 h", 86_400, 24),
    ("7d", "7 d", 7 * 86_400, 28),
];
/// The entries that are counted, at most.
const MAX_COUNTED: usize = 200_000;
/// The height of the chart.
const HEIGHT: f64 = 200.0;
const TOP: f64 = 8.0;
const DAY: i64 = 86_400;

#[derive(Default)]
struct OfCode {
    class: Option<Class>,
    status: u16,
    count: usize,
    apis: BTreeSet<String>,
    accounts: BTreeSet<String>,
    last: Option<Timestamp>,
}

pub(crate) fn page(reader: &Reader, query: &str) -> Result<Page, String> {
    let asked = parameter(query, "range").unwrap_or_default();
    let (range, _, seconds, bars) = RANGES.into_iter().find(|(id, ..)| *id == asked).unwrap_or(RANGES[1]);
    let end = Timestamp::now().as_second();
    let begin = end - seconds;
    let filter = Filter {
        since: Timestamp::from_second(begin).ok(),
        api: parameter(query, "api"),
        ..Filter::default()
    };
    let mut counts = vec![[0_usize; Class::ALL.len()]; bars];
    let mut codes: BTreeMap<String, OfCode> = BTreeMap::new();
    let mut total = 0;
    reader
        .scan(&filter, |recorded| {
            let entry = &recorded.entry;
            let class = Class::of(entry);
            total += 1;
            let place = (entry.timestamp.as_second() - begin).max(0) * bars as i64 / seconds;
            let place = usize::try_from(place).unwrap_or_default().min(bars - 1);
            counts[place][class as usize] += 1;
            let of = codes.entry(code(entry)).or_default();
            of.class = Some(class);
            of.status = entry.status;
            of.count += 1;
            of.apis.extend(entry.api.clone());
            of.accounts.extend(entry.account.clone().filter(|_| of.accounts.len() < 3));
            of.last = of.last.max(Some(entry.timestamp));
            total < MAX_COUNTED
        })
        .map_err(unreadable)?;
    let mut rows: Vec<(String, OfCode)> = codes.into_iter().collect();
    rows.sort_by(|one, other| other.1.count.cmp(&one.1.count).then_with(|| one.0.cmp(&other.0)));
    let most = rows.first().map_or(1, |(_, of)| of.count);
    let oldest = reader.span().map_err(unreadable)?.oldest.map_or(end, Timestamp::as_second);
    let mut shown = Vec::new();
    for (code, of) in rows {
        // Only where the journal goes back further than a day can anything be new since yesterday.
        let first = reader.first_of_code(&code).map_err(unreadable)?.map_or(oldest, Timestamp::as_second);
        let is_new = oldest < end - DAY && first > end - DAY;
        let class = of.class.unwrap_or(Class::Request);
        let join = |names: BTreeSet<String>, none: &str| match names.len() {
            0 => none.to_owned(),
            _ => names.into_iter().collect::<Vec<_>>().join(", "),
        };
        shown.push(context! {
            code, is_new, status => of.status, class => class.id(), class_name => class.name(), count => of.count,
            share => format!("{:.1}", of.count as f64 * 100.0 / most as f64),
            apis => join(of.apis, "–"), accounts => join(of.accounts, "no key"),
            last => of.last.map(|at| at.strftime("%H:%M:%S").to_string()),
        });
    }
    let ranges: Vec<Value> =
        RANGES.iter().map(|(id, name, ..)| context! { id, name, is_current => *id == range }).collect();
    let values = context! {
        total, is_capped => total == MAX_COUNTED, ranges, rows => shown,
        chart => chart(&counts, begin, seconds),
        classes => Class::ALL.map(|class| context! { id => class.id(), name => class.name() }),
    };
    Ok(Page::new("errors.html", "Errors over time", values))
}

fn chart(counts: &[[usize; Class::ALL.len()]], begin: i64, seconds: i64) -> Value {
    let highest = counts.iter().map(|of| of.iter().sum::<usize>()).max().unwrap_or_default();
    let step = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000];
    let step = step.into_iter().find(|step| step * 5 >= highest).unwrap_or(100_000);
    let scale = HEIGHT / (step * 5) as f64;
    let grid: Vec<Value> = (0..=5_usize)
        .map(|line| {
            let y = TOP + HEIGHT - (line * step) as f64 * scale;
            context! { y => format!("{y:.1}"), text_y => format!("{:.1}", y + 4.0), value => line * step }
        })
        .collect();
    let width = 96.0 / counts.len() as f64;
    let bars: Vec<Value> = counts
        .iter()
        .enumerate()
        .map(|(place, of)| {
            let at = begin + seconds * place as i64 / counts.len() as i64;
            let format = if seconds > DAY { "%d %b %H:%M" } else { "%H:%M:%S" };
            let time =
                Timestamp::from_second(at).map(|at| at.strftime(format).to_string()).unwrap_or_default();
            let mut y = TOP + HEIGHT;
            let parts: Vec<Value> = Class::ALL
                .into_iter()
                .zip(of)
                .filter(|(_, count)| **count > 0)
                .map(|(class, count)| {
                    let height = *count as f64 * scale;
                    y -= height;
                    context! { class => class.id(), y => format!("{y:.1}"), height => format!("{height:.1}") }
                })
                .collect();
            let labelled = place % counts.len().div_ceil(6) == 0;
            context! {
                x => format!("{:.2}", 4.0 + place as f64 * width), width => format!("{:.2}", width * 0.72),
                parts, time, labelled, counts => of, all => of.iter().sum::<usize>(),
            }
        })
        .collect();
    context! { grid, bars, highest, height => TOP + HEIGHT + 26.0, text_y => TOP + HEIGHT + 18.0 }
}
