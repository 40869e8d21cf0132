//! A program that serves during a run: started, waited for, its CPU read, ended when dropped.
//! Must not know which program it is.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{cpu, memory};
use crate::failure::Failure;
use crate::process::{now, shown};

/// How long a server may take until it listens: gateways listen before they read their log.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long a server may take to end when asked; then it is killed.
const END_LIMIT: Duration = Duration::from_secs(15);
/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A running server; dropping it ends it.
pub(crate) struct Server {
    child: Child,
    name: String,
}

/// A port of the loopback address that nobody listens on now.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    let looking = || Failure::while_doing("looking for a free port");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(looking())?;
    listener.local_addr().map_err(looking())
}

/// Asks until the answer is there, the answer is a failure, or the time is over (none).
pub(crate) fn wait_for<T>(
    limit: Duration,
    mut ask: impl FnMut() -> Result<Option<T>, Failure>,
) -> Result<Option<T>, Failure> {
    let deadline = now() + limit;
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if now() >= deadline {
            return Ok(None);
        }
        thread::sleep(LOOK_EVERY);
    }
}

impl Server {
    /// Starts a program and returns once it listens on all addresses. What it says is in the file
    /// `output` of its directory.
    pub(crate) fn start(
        command: &mut Command,
        directory: &Path,
        addresses: &[SocketAddr],
    ) -> Result<Self, Failure> {
        let name = shown(command);
        let starting = || Failure::while_doing(format!("starting `{name}`"));
        let output = File::create(directory.join("output")).map_err(starting())?;
        let errors = output.try_clone().map_err(starting())?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.spawn().map_err(starting())?;
        let mut server = Self { child, name: name.clone() };
        let ready = wait_for(START_LIMIT, || {
            server.check()?;
            let listening = addresses.iter().all(|address| TcpStream::connect(address).is_ok());
            Ok(listening.then_some(()))
        });
        match ready {
            Ok(Some(())) => Ok(server),
            Ok(None) => Err(Failure::new(format!("`{name}` does not listen"))),
            Err(failure) => {
                let said = std::fs::read_to_string(directory.join("output")).unwrap_or_default();
                Err(Failure::new(format!("{failure}\n{}", said.trim())))
            }
        }
    }

    /// Fails when it has ended.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(Failure::new(format!("`{}` ended with {status}", self.name))),
            Err(error) => Err(Failure::new(format!("`{}`: {error}", self.name))),
        }
    }

    /// Something once it has ended well.
    pub(crate) fn ended(&mut self) -> Result<Option<()>, Failure> {
        match self.child.try_wait() {
            Ok(Some(status)) if status.success() => Ok(Some(())),
            _ => self.check().map(|()| None),
        }
    }

    /// CPU seconds it and its workers have used since they started.
    pub(crate) fn cpu(&self) -> Result<f64, Failure> {
        cpu::of_family(self.child.id())
    }

    /// MiB of anonymous memory it has now.
    pub(crate) fn memory_mib(&self) -> Result<f64, Failure> {
        memory::anonymous_mib(self.child.id())
    }

    /// File descriptors it has open now.
    pub(crate) fn descriptors(&self) -> Result<f64, Failure> {
        let path = format!("/proc/{}/fd", self.child.id());
        let open = std::fs::read_dir(&path).map_err(Failure::while_doing(path))?;
        Ok(f64::from(u32::try_from(open.count()).unwrap_or(u32::MAX)))
    }

    /// Tells it something.
    pub(crate) fn signal(&self, signal: &str) {
        send(self.child.id(), signal);
    }

    /// Ends it as an operator would; the exit code, none when it had to be killed.
    pub(crate) fn end(mut self, signal: &str) -> Option<i32> {
        self.ask_to_end(signal)
    }

    fn ask_to_end(&mut self, signal: &str) -> Option<i32> {
        send(self.child.id(), signal);
        let ended = wait_for(END_LIMIT, || Ok(self.child.try_wait().ok().flatten()));
        if let Ok(Some(status)) = ended {
            return status.code();
        }
        // It may have ended by itself meanwhile; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.ask_to_end("TERM");
        }
    }
}

/// Sends a signal. A process that is gone needs none.
pub(crate) fn send(process: u32, signal: &str) {
    let script = format!("kill -{signal} {process}");
    let mut kill = Command::new("sh");
    let _ = kill.args(["-c", &script]).stderr(Stdio::null()).status();
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// A directory of a test's own.
    fn directory(name: &str) -> PathBuf {
        let process = std::process::id();
        let directory = std::env::temp_dir().join(format!("xtask-server-{name}-{process}"));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        directory
    }

    fn shell(script: &str, directory: &Path) -> Server {
        let mut command = Command::new("sh");
        Server::start(command.args(["-c", script]), directory, &[]).unwrap()
    }

    #[test]
    fn a_dropped_server_is_gone() {
        let directory = directory("dropped");
        let server = shell("exec sleep 600", &directory);
        let process = server.child.id();
        assert!(cpu::of_family(process).is_ok());
        drop(server);
        assert!(cpu::of_family(process).is_err());
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn an_ended_server_says_so_with_its_exit_code() {
        let directory = directory("ended");
        let script = "trap 'exit 3' INT; echo ready; while :; do sleep 0.01; done";
        let server = shell(script, &directory);
        let output = directory.join("output");
        let ready = || std::fs::read_to_string(&output).ok().filter(|said| said.contains("ready"));
        assert!(wait_for(Duration::from_secs(60), || Ok(ready())).unwrap().is_some());
        assert_eq!(server.end("INT"), Some(3));
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn waiting_ends_with_the_answer_the_failure_or_the_time() {
        let mut asked = 0;
        let third = wait_for(Duration::from_secs(60), || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        });
        assert_eq!(third.unwrap(), Some(3));
        assert!(wait_for::<()>(Duration::ZERO, || Ok(None)).unwrap().is_none());
        assert!(wait_for::<()>(Duration::from_secs(60), || Err(Failure::new("x"))).is_err());
    }
}
