//! What the codecs cost and save on real webhook bodies: `codecs CORPUS CODEC pack|unpack ROUNDS`.
//!
//! CORPUS is the directory of `@octokit/webhooks-examples`. Bodies with an even number train a
//! dictionary, those with an odd one are measured, one by one, as the log stores them. Prints the
//! bytes; instructions are counted from outside, by the difference of two numbers of rounds
//! (bench/README.md).

use std::hint::black_box;
use std::path::Path;

/// Bytes of a trained dictionary: what zstd recommends.
const DICTIONARY_BYTES: usize = 110 << 10;

type Codec = Box<dyn FnMut(&[u8]) -> Vec<u8>>;

/// Every body of the corpus, as GitHub would send it.
fn bodies(corpus: &Path) -> Vec<Vec<u8>> {
    let text = std::fs::read(corpus.join("api.github.com/index.json")).expect("the corpus");
    let types: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let examples = types.as_array().expect("types").iter();
    let examples = examples.flat_map(|one| one["examples"].as_array().expect("examples"));
    examples.map(|body| serde_json::to_vec(body).expect("JSON")).collect()
}

fn zstd(level: i32, dictionary: &[u8]) -> (Codec, Codec) {
    let mut pack = zstd::bulk::Compressor::with_dictionary(level, dictionary).expect("a level");
    let mut unpack = zstd::bulk::Decompressor::with_dictionary(dictionary).expect("a dictionary");
    (
        Box::new(move |body| pack.compress(body).expect("it compresses")),
        Box::new(move |bytes| unpack.decompress(bytes, 1 << 20).expect("it decompresses")),
    )
}

fn codec(name: &str, dictionary: &[u8]) -> (Codec, Codec) {
    match name {
        "none" => (Box::new(<[u8]>::to_vec), Box::new(<[u8]>::to_vec)),
        "lz4" => (
            Box::new(|body| lz4_flex::compress_prepend_size(body)),
            Box::new(|bytes| lz4_flex::decompress_size_prepended(bytes).expect("it decompresses")),
        ),
        "zstd-1" => zstd(1, &[]),
        "zstd-3" => zstd(3, &[]),
        "dictionary-1" => zstd(1, dictionary),
        "dictionary-3" => zstd(3, dictionary),
        _ => panic!("no such codec: {name}"),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, corpus, name, work, rounds] = arguments.as_slice() else {
        panic!("codecs CORPUS CODEC pack|unpack ROUNDS")
    };
    let bodies = bodies(Path::new(corpus));
    let of = |rest: usize| {
        let bodies = bodies.iter().enumerate().filter(move |(number, _)| number % 2 == rest);
        bodies.map(|(_, body)| body.clone()).collect::<Vec<_>>()
    };
    let (trained, measured) = (of(0), of(1));
    let dictionary = zstd::dict::from_samples(&trained, DICTIONARY_BYTES).expect("a dictionary");
    let (mut pack, mut unpack) = codec(name, &dictionary);
    let packed: Vec<Vec<u8>> = measured.iter().map(|body| pack(body)).collect();
    let rounds: usize = rounds.parse().expect("a number of rounds");
    for _ in 0..rounds {
        for (body, packed) in measured.iter().zip(&packed) {
            match work.as_str() {
                "pack" => drop(black_box(pack(body))),
                _ => drop(black_box(unpack(packed))),
            }
        }
    }
    let bytes = |bodies: &[Vec<u8>]| bodies.iter().map(Vec::len).sum::<usize>();
    let (before, after) = (bytes(&measured), bytes(&packed));
    println!("{name} bodies {} bytes {before} packed {after}", measured.len());
}
