//! The binary, run to its end or beside the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

use serde_json::Value;

pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

pub(crate) fn sprag() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sprag"));
    command.env("SPRAG_TEST_SECRET", SECRET).env_remove("SPRAG_ADMIN_TOKEN");
    command
}

/// Exit code, standard output and standard error.
pub(crate) fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = sprag().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A running command; killed when the test ends early.
pub(crate) struct Background {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Background {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = sprag();
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, out: BufReader::new(out), err: BufReader::new(err) }
    }

    /// The next line on standard output, without its end.
    pub(crate) fn line(&mut self) -> String {
        next_line(&mut self.out)
    }

    /// What it says it listens on.
    pub(crate) fn address(&mut self) -> String {
        next_line(&mut self.err).strip_prefix("listen http://").unwrap().to_owned()
    }

    /// Asks it to end; exit code and the rest of standard output.
    pub(crate) fn end(mut self) -> (i32, String) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &process]).status().unwrap().success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code().unwrap(), rest)
    }
}

fn next_line(from: &mut impl BufRead) -> String {
    let mut line = String::new();
    assert!(from.read_line(&mut line).unwrap() > 0, "it ended");
    line.trim_end().to_owned()
}

/// What a sink counted until now.
pub(crate) fn summary(address: &str) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /summary HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}
