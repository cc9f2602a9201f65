//! Load, render and parse of every built-in contract.

use criterion::{Criterion, criterion_group, criterion_main};
use demur_bench_contract::{contract, typical};

fn load(criterion: &mut Criterion) {
    for name in demur_contract::builtin::names() {
        criterion.bench_function(&format!("load/{name}"), |bencher| bencher.iter(|| contract(name)));
    }
}

fn render_and_parse(criterion: &mut Criterion) {
    for contract in demur_contract::builtin::names().map(contract) {
        for case in typical(&contract) {
            let mut out = Vec::with_capacity(4096);
            let render = format!("render/{}", case.name);
            criterion.bench_function(&render, |bencher| bencher.iter(|| case.render(&contract, &mut out)));
            criterion.bench_function(&format!("parse/{}", case.name), |bencher| bencher.iter(|| case.parse(&contract)));
        }
    }
}

criterion_group!(benches, load, render_and_parse);
criterion_main!(benches);
