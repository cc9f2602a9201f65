//! Everything that a measurement needs: the site, the fronts, and the other side.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::driver::Driver;
use crate::front::{Front, Kind, Programs};
use crate::options::Options;
use crate::row::{self, Row};
use crate::site::Site;

/// The fronts' core, and that of everything else.
const FRONT_CORE: usize = 0;
const OTHER_CORE: usize = 1;

/// A bench with its fronts running.
pub struct Bench {
    /// Keys and configurations.
    pub site: Site,
    /// Clients and service.
    pub driver: Driver,
    /// In the table's order.
    pub fronts: Vec<Front>,
    /// What is asked of them.
    pub rows: Vec<Row>,
}

impl Bench {
    /// Starts every front that the options name, behind these words of a command line (`valgrind`, say).
    pub fn start(options: &Options, wrapper: &[&str]) -> Self {
        stay(OTHER_CORE);
        let mut site = Site::open(&options.folder);
        site.sheds_load = wrapper.is_empty();
        let mut driver = Driver::new();
        let programs = Programs { others: options.others.clone(), demur: options.demur.clone() };
        let start =
            |kind: &Kind| Front::start(*kind, &programs, &site, driver.service(), FRONT_CORE, wrapper);
        let fronts: Vec<Front> = options.fronts.iter().map(start).collect();
        let rows = row::rows(&site.keys);
        let limited = rows.iter().find(|row| row.status == 429).expect("a row of the table");
        for front in fronts.iter().filter(|front| !matches!(front.kind, Kind::Relay | Kind::Hyper)) {
            use_up(&mut driver, front.address, &limited.requests[0]);
        }
        Self { site, driver, fronts, rows }
    }

    /// A row by its name in the table.
    pub fn row(&self, name: &str) -> Row {
        let found = self.rows.iter().find(|row| row.name == name);
        found.unwrap_or_else(|| panic!("no row `{name}`")).clone()
    }
}

/// What the limited account has left of its rate.
fn use_up(driver: &mut Driver, front: SocketAddr, request: &[u8]) {
    let request = request.to_vec();
    let asking = thread::spawn(move || {
        let mut stream = TcpStream::connect(front).expect("it listens");
        for _ in 0..3 {
            stream.write_all(&request).expect("a request");
            let _ = stream.read(&mut [0; 4096]).expect("an answer");
        }
    });
    driver.serve(|| asking.is_finished());
    asking.join().expect("answers");
}

fn stay(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).expect("there is such a core");
}
