//! A wire of the test's own: bytes between two addresses, of which the second is known later, and some
//! connections that break before anything is answered.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::thread;

/// It ends with the process of the test.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    target: Arc<OnceLock<SocketAddr>>,
}

impl Relay {
    /// Of each five connections, one is closed at once.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let target: Arc<OnceLock<SocketAddr>> = Arc::default();
        let known = target.clone();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let target = known.get().copied().filter(|_| number % 5 != 4);
                if let Some(there) = target.and_then(|target| TcpStream::connect(target).ok()) {
                    join(&stream, &there);
                }
            }
        });
        Self { address, target }
    }

    pub(crate) fn lead_to(&self, target: SocketAddr) {
        self.target.set(target).unwrap();
    }
}

fn join(one: &TcpStream, other: &TcpStream) {
    for (from, to) in [(one, other), (other, one)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
