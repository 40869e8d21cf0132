//! How long reading three values of a body takes: our scanner beside `serde_json`.
//!
//! `cargo run --release -p sprag --example json_scan`

#![allow(clippy::unwrap_used, reason = "an example stops at its first fault")]

use serde_json::Value;
use serde_json::value::RawValue;
use sprag::extract::json::scan;
use sprag::extract::{Paths, Pointer};
use std::collections::HashMap;
use std::hint::black_box;

/// A body of roughly `bytes` with the wanted members at its two ends.
fn body(bytes: usize) -> String {
    let mut items = String::new();
    let mut number = 0;
    while items.len() < bytes {
        number += 1;
        items.push_str(&format!(
            r#"{{"id":"item_{number}","quantity":{number},"note":"Line \"{number}\" – ok","tags":["a",null,true],"price":{number}.25}},"#
        ));
    }
    items.pop();
    format!(
        r#"{{"type":"invoice.paid","data":{{"customer":"cus_42","items":[{items}]}},"sequence":17}}"#
    )
}

#[expect(clippy::disallowed_methods, reason = "a measurement needs a clock")]
fn nanoseconds_each(mut work: impl FnMut()) -> u128 {
    let rounds = 2_000;
    let mut best = u128::MAX;
    for _ in 0..5 {
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            work();
        }
        best = best.min(start.elapsed().as_nanos() / rounds);
    }
    best
}

#[expect(clippy::print_stdout, reason = "an example prints")]
fn main() {
    let pointers = ["/type", "/data/customer", "/sequence"];
    let mut paths = Paths::default();
    for pointer in pointers {
        assert!(paths.add(&Pointer::parse(pointer).unwrap()));
    }
    println!("bytes, scanner ns, RawValue (top level only) ns, Value ns");
    for size in [300, 1_000, 10_000, 100_000] {
        let body = body(size);
        let scanner = nanoseconds_each(|| {
            black_box(scan(black_box(body.as_bytes()), &paths).unwrap());
        });
        let raw = nanoseconds_each(|| {
            let members: HashMap<&str, &RawValue> = serde_json::from_str(black_box(&body)).unwrap();
            black_box(members);
        });
        let value = nanoseconds_each(|| {
            let value: Value = serde_json::from_slice(black_box(body.as_bytes())).unwrap();
            black_box(pointers.map(|pointer| value.pointer(pointer).cloned()));
        });
        println!("{}, {scanner}, {raw}, {value}", body.len());
    }
}
