//! The keys of `[server]`, `[log]` and `[admin]`.

use super::Omitted::{Absent, Value};
use super::{Key, key};

pub(super) const KEYS: &[Key] = &[
    key(
        "server.listen",
        "address",
        Value(r#""127.0.0.1:8080""#),
        "Where providers post (`/in/…`) and consumers ask (`/out/…`).",
    ),
    key(
        "server.admin",
        "address",
        Value(r#""127.0.0.1:8081""#),
        "Where the admin API, health and metrics are. An address that is not loopback needs an admin token.",
    ),
    key(
        "server.data",
        "path",
        Value(r#""./sprag-data""#),
        "The data directory. One process uses it at a time.",
    ),
    key(
        "server.partitions",
        "integer 1–1024",
        Value("16"),
        "Hash ranges of keys, fixed for the life of a data directory.",
    ),
    key(
        "log.engine",
        "`embedded`",
        Value(r#""embedded""#),
        "Where frames are kept: segment files in the data directory.",
    ),
    key(
        "log.body_codec",
        "`zstd` or `none`",
        Value(r#""zstd""#),
        "How bodies are stored: packed one by one where that makes them shorter, or as received. Bodies that are stored already stay as they are and are read either way. `none` takes several times the space; of bodies of 1 kB it saves next to nothing once a source has its dictionary and up to 5 µs of CPU an event before, of bodies of 10 kB 20 to 40.",
    ),
    key(
        "admin.token",
        "secret",
        Absent("`SPRAG_ADMIN_TOKEN`; without that a random token on a loopback address"),
        "Protects the admin API. The environment variable `SPRAG_ADMIN_TOKEN` comes first.",
    ),
];
