//! A consumer that does what its test says, step by step.

use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};

use crate::wire::{Connection, Message, until};

/// Somewhere deliveries go.
pub(crate) struct Consumer(pub(crate) TcpListener);

impl Consumer {
    pub(crate) fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// The next connection's bytes.
    pub(crate) fn stream(&self) -> TcpStream {
        let stream = until("the gateway connects", || match self.0.accept() {
            Ok((stream, _)) => Some(stream),
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        });
        stream.set_nonblocking(false).unwrap();
        stream
    }

    /// The next connection.
    pub(crate) fn connection(&self) -> Connection {
        Connection::over(self.stream())
    }

    /// The next connection with the delivery it brings.
    pub(crate) fn delivery(&self) -> (Connection, Message) {
        let mut connection = self.connection();
        let delivery = connection.message().expect("a delivery");
        (connection, delivery)
    }

    /// Whether nobody has connected since the last connection that was taken.
    pub(crate) fn is_alone(&self) -> bool {
        self.0.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

/// Acknowledges a delivery.
pub(crate) fn acknowledge(connection: &mut Connection) {
    connection.send(b"HTTP/1.1 204 No Content\r\n\r\n");
}

/// Whether the gateway has closed the connection, at this moment.
pub(crate) fn is_closed(connection: &mut Connection) -> bool {
    connection.stream.set_nonblocking(true).unwrap();
    let read = connection.stream.read(&mut [0; 1024]);
    connection.stream.set_nonblocking(false).unwrap();
    match read {
        Ok(read) => read == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}
