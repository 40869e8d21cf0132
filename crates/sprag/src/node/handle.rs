//! How the rest of the gateway speaks to the deciding thread.

use std::net::IpAddr;
use std::sync::Arc;

use sprag_core::fact::{Origin, StoredHeader};
use sprag_core::id::{Hash, Key, PartitionId, SourceId};
use sprag_core::input::{Arrival, Command, Compared, Ended, Fetched, Ticket};
use sprag_core::lists::ListRead;
use sprag_core::output::Answer;
use sprag_core::partition::KeyView;
use sprag_core::plan::Plan;
use sprag_core::position::Position;
use sprag_core::record::Directory;
use tokio::sync::mpsc::UnboundedSender as Sender;
use tokio::sync::oneshot;

use super::message::{Asking, Message};
use super::room::Room;
use super::statistics::Statistics;

/// Speaks to the deciding thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct NodeHandle {
    sender: Sender<Message>,
    room: Arc<Room>,
}

/// An event as verified and extracted.
#[derive(Debug, Clone)]
pub struct NewArrival {
    /// The resource.
    pub key: Key,
    /// The source's id of the event.
    pub id: Option<Arc<str>>,
    /// What the source says about its order.
    pub position: Position,
    /// Its type.
    pub event_type: Arc<str>,
    /// Its content type.
    pub content_type: Arc<str>,
    /// The headers to keep.
    pub headers: Vec<StoredHeader>,
    /// SHA-256 of its body.
    pub digest: Hash,
    /// Whether its signature lies within the tolerance.
    pub in_time: bool,
    /// How it came.
    pub origin: Origin,
    /// The name of another resource that it refers to.
    pub depends_on: Option<Arc<str>>,
}

impl NodeHandle {
    /// A way to whoever receives these messages.
    pub(super) fn new(sender: Sender<Message>) -> Self {
        Self { sender, room: Arc::new(Room::new()) }
    }

    /// Brings an event in. Answers once it is durable; unavailable when the node stops before, and at
    /// once while as much as may waits for a disk that does not answer.
    pub async fn receive(&self, new: NewArrival, body: Arc<[u8]>) -> Answer {
        let size = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let headers = new.headers.iter().map(|header| header.value.len());
        let bytes = body.len() + headers.sum::<usize>();
        let Some(room) = self.room.of_event(bytes) else { return Answer::Unavailable };
        let (sender, receiver) = oneshot::channel();
        let arrival = Arrival {
            ticket: Ticket(0),
            key: new.key,
            id: new.id,
            position: new.position,
            event_type: new.event_type,
            content_type: new.content_type,
            headers: new.headers,
            digest: new.digest,
            size,
            in_time: new.in_time,
            origin: new.origin,
            depends_on: new.depends_on,
        };
        self.tell(Message::Receive(
            Box::new(arrival),
            body,
            Asking { answer: sender, room: Some(room) },
        ));
        receiver.await.unwrap_or(Answer::Unavailable)
    }

    /// Notes an event of a type that its source does not accept.
    pub async fn ignore(
        &self,
        source: SourceId,
        id: Option<Arc<str>>,
        event_type: Arc<str>,
        digest: Hash,
    ) -> Answer {
        let Some(room) = self.room.of_event(0) else { return Answer::Unavailable };
        let (answer, receiver) = oneshot::channel();
        let asking = Asking { answer, room: Some(room) };
        self.tell(Message::Ignore(source, id, event_type, digest, asking));
        receiver.await.unwrap_or(Answer::Unavailable)
    }

    /// Notes a refused request. History keeps some of them (DESIGN D7); nobody waits for it.
    pub fn refuse(&self, source: SourceId, code: &str, peer: IpAddr, digest: Option<Hash>) {
        self.refuse_of(source, code, &peer.to_string(), digest);
    }

    /// Notes that of what a source was asked for an event cannot be used.
    pub fn refuse_refilled(&self, source: SourceId, code: &str, digest: Hash) {
        self.refuse_of(source, code, "refill", Some(digest));
    }

    fn refuse_of(&self, source: SourceId, code: &str, peer: &str, digest: Option<Hash>) {
        let Some(room) = self.room.of_refusal() else { return };
        let (code, peer) = (Arc::from(code), Arc::from(peer));
        self.tell(Message::Refuse(source, code, peer, digest, room));
    }

    /// Carries an operator's command out. Answers once it is durable.
    pub async fn command(&self, command: Command) -> Answer {
        let (sender, receiver) = oneshot::channel();
        self.tell(Message::Command(command, sender.into()));
        receiver.await.unwrap_or(Answer::Unavailable)
    }

    /// Reports that an attempt ended.
    pub fn ended(&self, partition: PartitionId, ended: Ended) {
        self.tell(Message::Ended(partition, ended));
    }

    /// Reports that an ask for missing positions is over: all that it brought is answered.
    pub fn fetched(&self, partition: PartitionId, fetched: Fetched) {
        self.tell(Message::Fetched(partition, fetched));
    }

    /// Reports what came of a question for what a source has.
    pub fn compared(&self, partition: PartitionId, compared: Compared) {
        self.tell(Message::Compared(partition, Box::new(compared)));
    }

    /// Reports that a pass over a list is over: all that it brought is answered.
    pub fn list_read(&self, read: ListRead) {
        self.tell(Message::ListRead(read));
    }

    /// Another configuration. What becomes of it is a notice to the network.
    pub fn reload(&self, plan: Plan) {
        self.tell(Message::Reload(Box::new(plan)));
    }

    /// A key in memory as it is; none when it is not in memory: then the state store has it.
    pub async fn view(&self, key: Key) -> Option<(PartitionId, KeyView)> {
        let (sender, receiver) = oneshot::channel();
        self.tell(Message::View(key, sender));
        receiver.await.unwrap_or_default()
    }

    /// Brings the state store up to everything decided until now. Lists read from the store
    /// afterwards are no older than this call.
    pub async fn store(&self) -> Answer {
        let (sender, receiver) = oneshot::channel();
        self.tell(Message::Store(sender.into()));
        receiver.await.unwrap_or(Answer::Unavailable)
    }

    /// The names and numbers history knows.
    pub async fn directory(&self) -> Directory {
        let (sender, receiver) = oneshot::channel();
        self.tell(Message::Directory(sender));
        receiver.await.unwrap_or_default()
    }

    /// Counts for metrics, health and readiness.
    pub async fn statistics(&self) -> Statistics {
        let (sender, receiver) = oneshot::channel();
        self.tell(Message::Statistics(sender));
        receiver.await.unwrap_or_default()
    }

    /// Stops the node: what was decided is committed and stored, then its threads end.
    pub async fn stop(&self) {
        let (sender, receiver) = oneshot::channel();
        self.tell(Message::Stop(sender));
        // An error says that it has stopped already.
        let _ = receiver.await;
    }

    /// Log or state completed something. A stopped node needs no waking.
    pub(super) fn completed(&self) {
        self.tell(Message::Completed);
    }

    /// A stopped node hears nothing: who waits for its answer learns that by the closed channel.
    fn tell(&self, message: Message) {
        let _ = self.sender.send(message);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;
    use crate::limits;

    fn new() -> NewArrival {
        NewArrival {
            key: Key { source: SourceId(1), name: Arc::from("k") },
            id: None,
            position: Position::None,
            event_type: Arc::from("t"),
            content_type: Arc::from("c"),
            headers: Vec::new(),
            digest: Hash::default(),
            in_time: true,
            origin: Origin::Posted,
            depends_on: None,
        }
    }

    fn is_taken(handle: &NodeHandle, body: &Arc<[u8]>) -> bool {
        let nobody = &mut Context::from_waker(Waker::noop());
        match Box::pin(handle.receive(new(), body.clone())).as_mut().poll(nobody) {
            Poll::Pending => true,
            Poll::Ready(answer) => {
                assert_eq!(answer, Answer::Unavailable);
                false
            }
        }
    }

    fn all_of(heard: &mut UnboundedReceiver<Message>) -> Vec<Message> {
        std::iter::from_fn(|| heard.try_recv().ok()).collect()
    }

    #[test]
    fn what_waits_for_a_node_that_stands_still_is_bounded() {
        let (sender, mut heard) = unbounded_channel();
        let handle = NodeHandle::new(sender);
        let body: Arc<[u8]> = vec![0; 1 << 20].into();
        // Whoever asks goes at once: what was asked still waits.
        let taken = (0..1_000).take_while(|_| is_taken(&handle, &body)).count();
        assert!(taken * (body.len() + 1_024) <= limits::UNANSWERED_BYTES && taken >= 128);
        assert!(!is_taken(&handle, &body));
        let waiting = all_of(&mut heard);
        assert_eq!(waiting.len(), taken);
        assert!(!is_taken(&handle, &body), "what was heard is still there, and not answered");
        drop(waiting);
        assert!(is_taken(&handle, &body));
    }

    #[test]
    fn refusals_that_nobody_hears_are_bounded() {
        let (sender, mut heard) = unbounded_channel();
        let handle = NodeHandle::new(sender);
        let peer = IpAddr::from([127, 0, 0, 1]);
        let refuse = || handle.refuse(SourceId(1), "signature-invalid", peer, None);
        (0..2 * limits::REFUSALS_WAITING).for_each(|_| refuse());
        assert_eq!(all_of(&mut heard).len(), limits::REFUSALS_WAITING);
        refuse();
        assert_eq!(all_of(&mut heard).len(), 1);
    }
}
