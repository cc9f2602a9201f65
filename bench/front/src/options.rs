//! What is measured, and how: `demur-bench-front table fronts=nginx,demur rounds=5 millis=1000 demur=PATH`. Everything
//! has a default, and where the programs are follows from where this one is: in `release` below cargo's target folder.

use std::path::PathBuf;
use std::time::Duration;

use crate::front::Kind;

/// Words of the command line that say NAME=VALUE.
#[derive(Debug, Clone)]
pub struct Options {
    /// What runs, in the table's order.
    pub fronts: Vec<Kind>,
    /// Recorded rounds.
    pub rounds: usize,
    /// How long rounds may go on until every target is decided.
    pub longest: Duration,
    /// How long a front works on a row in each.
    pub time: Duration,
    /// How long the soak and the overload last.
    pub seconds: Duration,
    /// The binary `demur`.
    pub demur: PathBuf,
    /// The folder with the other programs.
    pub others: PathBuf,
    /// The folder for keys and configurations.
    pub folder: PathBuf,
}

impl Options {
    /// Reads them.
    pub fn read(words: &[String]) -> Self {
        let own = std::env::current_exe().expect("this program is somewhere");
        let release = own.parent().expect("it is in a folder");
        let target = release.parent().expect("that is in cargo's target folder");
        let mut options = Self {
            fronts: Kind::ALL.to_vec(),
            rounds: 7,
            longest: Duration::from_secs(30 * 60),
            time: Duration::from_millis(1000),
            seconds: Duration::from_secs(60),
            demur: release.join("demur"),
            others: target.join("proxies/bin"),
            folder: target.join("bench-front"),
        };
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("`{word}`: write NAME=VALUE"));
            let number = || value.parse::<u64>().unwrap_or_else(|_| panic!("`{word}`: a number is needed"));
            match name {
                "fronts" => options.fronts = value.split(',').map(kind).collect(),
                "rounds" => options.rounds = number() as usize,
                "minutes" => options.longest = Duration::from_secs(60 * number()),
                "millis" => options.time = Duration::from_millis(number()),
                "seconds" => options.seconds = Duration::from_secs(number()),
                "demur" => options.demur = PathBuf::from(value),
                _ => panic!("`{name}`: fronts, rounds, minutes, millis, seconds and demur are known"),
            }
        }
        options
    }
}

fn kind(name: &str) -> Kind {
    Kind::named(name).unwrap_or_else(|| panic!("no front `{name}`"))
}
