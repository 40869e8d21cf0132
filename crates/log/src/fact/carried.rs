//! `carried`: all that is known of a key. Fields: key, record (a part as in `snapshot`, whose rules
//! for new fields are those of facts).

use sprag_core::fact::Carried;

use super::parts::{read_key, write_key};
use crate::codec::{DecodeError, Reader, Writer};
use crate::snapshot::{read_record, write_record};

pub(super) fn encode(writer: &mut Writer<'_>, fact: &Carried) {
    write_key(writer, &fact.key);
    write_record(writer, &fact.record);
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Carried, DecodeError> {
    Ok(Carried { key: read_key(reader)?, record: Box::new(read_record(reader)?) })
}

#[cfg(test)]
mod tests {
    use super::super::golden::*;
    use super::*;
    use sprag_core::chain::Fingerprint;
    use sprag_core::fact::{HoldReason, Toll};
    use sprag_core::record::{
        Acceptance, Essence, HeldAt, HeldEvent, KeyRecord, Lane, LaneMode, Omission, OmitReason,
        Order, Reached,
    };

    fn held() -> HeldEvent {
        let essence = Essence {
            id: Some("e9".into()),
            position: Position::Sequence(9),
            event_type: "t".into(),
            content_type: "c".into(),
            digest: Hash([4; 32]),
            size: 300,
            depends_on: None,
        };
        let (reason, deadline) = (HoldReason::Gap, OpenMicros(70));
        HeldEvent { event: place(), reason, deadline, essence }
    }

    fn lane() -> Lane {
        let (range, reason) = (Range { from: 2, to: 3 }, OmitReason::Dead);
        Lane {
            destination: DestinationId(2),
            strand: None,
            rewound: None,
            covered: None,
            unmet: Sequence(0),
            mode: LaneMode::DrainingParked { until: Sequence(7) },
            head: Sequence(4),
            tail: Sequence(7),
            delivered: Sequence(1),
            omitted: vec![Omission { range, reason, merged: true }],
            failures: 3,
            due: UnixMicros(80),
            toll: Toll { failures: 2, time: 90 },
            failed_at: OpenMicros(60),
            redrives: vec![Sequence(2)],
            accepted: Some(Box::new(Acceptance {
                sequence: Sequence(4),
                last: None,
                number: 3,
                out_of_order: true,
                started: UnixMicros(75),
                until: OpenMicros(95),
            })),
            opened: Sequence(2),
            waiting: 4,
            bytes: 300,
            batch: None,
            sent: Sequence(0),
            since: UnixMicros(85),
        }
    }

    /// A record in which nothing is as in an empty one.
    fn record() -> KeyRecord {
        let order = Order {
            next: Some(7),
            highest: 6,
            abandoned: Ranges::from_ranges([Range { from: 1, to: 2 }]),
            missing: Ranges::from_ranges([Range::one(5)]),
            gap: Some(Range { from: 7, to: 8 }),
            held: [(HeldAt::numbered(9), held())].into(),
            old: 1,
            since: place(),
            instant: vec![Fingerprint(5)],
            reached: Reached::Nothing,
        };
        KeyRecord {
            unordered: false,
            sequence: Sequence(7),
            hash: Hash([1; 32]),
            newest: place(),
            carried: FrameNumber(1000),
            paused: true,
            order,
            lanes: vec![lane()],
            jumped: 3,
            jumps: vec![Range { from: 4, to: 6 }],
            active: UnixMicros(85),
            forgotten: false,
            boundary: Sequence(2),
        }
    }

    #[test]
    fn golden_bytes_without_a_range() {
        let fact = Carried { key: key(), record: Box::new(record()) };
        check(
            Fact::Carried(fact),
            "28 c3000000 \
             0103612f62ba000000070101010101010101010101010101010101010101010101010101 \
             01010101010103920807016200000001070601010101050001070101093a000000039208 \
             070046010265390108000000000000000901740163040404040404040404040404040404 \
             0404040404040404040404040404040404ac020103920807010000000000000000000000 \
             0000000005012000000002040704070101020101010350025a3c0102010403014b5f0000 \
             000204ac0255e80703010402550002",
        );
    }

    #[test]
    fn golden_bytes() {
        let mut record = record();
        let lane = &mut record.lanes[0];
        (lane.batch, lane.sent) = (Some(Sequence(7)), Sequence(6));
        let ranged = |one: Acceptance| Acceptance { last: Some(Sequence(6)), ..one };
        lane.accepted = lane.accepted().map(ranged).map(Box::new);
        let fact = Carried { key: key(), record: Box::new(record) };
        check(
            Fact::Carried(fact),
            "28 c5000000 \
             0103612f62bc000000070101010101010101010101010101010101010101010101010101 \
             01010101010103920807016200000001070601010101050001070101093a000000039208 \
             070046010265390108000000000000000901740163040404040404040404040404040404 \
             0404040404040404040404040404040404ac020103920807010000000000000000000000 \
             0000000005012200000002040704070101020101010350025a3c0102010403014b5f0107 \
             0601060204ac0255e80703010402550002",
        );
    }

    /// As they were written before keys were forgotten.
    #[test]
    fn older_golden_bytes_are_still_read() {
        let golden = "28 c1000000 \
             0103612f62b8000000070101010101010101010101010101010101010101010101010101 \
             01010101010103920807016200000001070601010101050001070101093a000000039208 \
             070046010265390108000000000000000901740163040404040404040404040404040404 \
             0404040404040404040404040404040404ac020103920807010000000000000000000000 \
             0000000005012100000002040704070101020101010350025a3c0102010403014b5f0107 \
             0601060204ac02e80703010402";
        let digits: Vec<u8> = golden.bytes().filter(u8::is_ascii_hexdigit).collect();
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let Ok(Fact::Carried(carried)) = super::super::decode(&mut Reader::new(&bytes)) else {
            panic!("not read");
        };
        let record = *carried.record;
        assert_eq!((record.active, record.forgotten), (UnixMicros(0), false));
        assert_eq!((record.sequence, record.boundary), (Sequence(7), Sequence(0)));
    }

    #[test]
    fn golden_bytes_of_a_strand() {
        let mut record = record();
        let lane = &mut record.lanes[0];
        (lane.batch, lane.sent) = (Some(Sequence(7)), Sequence(6));
        let ranged = |one: Acceptance| Acceptance { last: Some(Sequence(6)), ..one };
        lane.accepted = lane.accepted().map(ranged).map(Box::new);
        (lane.strand, record.unordered) = (Some(Sequence(4)), true);
        let fact = Carried { key: key(), record: Box::new(record) };
        check(
            Fact::Carried(fact),
            "28 c7000000 \
             0103612f62be000000070101010101010101010101010101010101010101010101010101 \
             01010101010103920807016200000001070601010101050001070101093a000000039208 \
             070046010265390108000000000000000901740163040404040404040404040404040404 \
             0404040404040404040404040404040404ac020103920807010000000000000000000000 \
             0000000005012300000002040704070101020101010350025a3c0102010403014b5f0107 \
             0601060204ac025504e8070301040255000201",
        );
    }
}
