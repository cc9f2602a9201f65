//! Load, render and parse of every built-in contract.

use criterion::{Criterion, criterion_group, criterion_main};
use demur_bench_contract::{cases, contract};

fn load(criterion: &mut Criterion) {
    for name in demur_contract::builtin::names() {
        criterion.bench_function(&format!("load/{name}"), |bencher| bencher.iter(|| contract(name)));
    }
}

fn render_and_parse(criterion: &mut Criterion) {
    for case in cases() {
        let mut out = Vec::with_capacity(4096);
        criterion.bench_function(&format!("render/{}", case.name), |bencher| bencher.iter(|| case.render(&mut out)));
        criterion.bench_function(&format!("parse/{}", case.name), |bencher| bencher.iter(|| case.parse()));
    }
}

criterion_group!(benches, load, render_and_parse);
criterion_main!(benches);
