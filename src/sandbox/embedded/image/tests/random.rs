//! Random layers, hostile and damaged.

use std::fs;

use proptest::prelude::*;
use tar::{EntryType, Header};

use super::super::fault::Fault;
use super::place::{Item, Place, tar};

/// Names that come up again and again, so that entries meet: folders, links out, whiteouts, and nonsense.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        6 => prop::sample::select(vec!["a", "b", "c", "canary", "file", "root"]),
        2 => prop::sample::select(vec!["..", ".", "", "/", "tmp"]),
        1 => prop::sample::select(vec![".wh.a", ".wh.b", ".wh.canary", ".wh..wh..opq", ".wh...", ".wh..", ".wh.", "\u{ff}"]),
    ];
    prop_oneof![
        12 => prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..120),
    ]
}

fn item() -> impl Strategy<Value = (u8, Vec<u8>, Vec<u8>)> {
    (prop::sample::select(b"000555222211173x\0".to_vec()), name(), name())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever layers say, nothing outside changes ([`Place::unpack`] looks), it ends, and the tree can be removed.
    #[test]
    fn hostile_layers_stay_inside(layers in prop::collection::vec(prop::collection::vec(item(), 1..8), 1..4)) {
        let place = Place::new();
        let layers: Vec<_> = layers.iter().map(|items| {
            let items: Vec<Item> = items.iter().map(|(kind, name, link)| (EntryType::new(*kind), &name[..], &link[..], &b"evil"[..])).collect();
            tar(&items)
        }).collect();
        if let Err(fault) = place.unpack(&layers) {
            prop_assert!(matches!(fault, Fault::Invalid(_)), "{fault:?}");
        }
        fs::remove_dir_all(place.root()).expect("removed");
    }

    /// Any bytes at all, and tars with any damage, end in an answer.
    #[test]
    fn damaged_streams_stay_inside(items in prop::collection::vec(item(), 1..6), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), sums in any::<bool>()) {
        let items: Vec<Item> = items.iter().map(|(kind, name, link)| (EntryType::new(*kind), &name[..], &link[..], &b"evil"[..])).collect();
        let mut bytes = tar(&items);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if sums {
            for block in bytes.chunks_exact_mut(512) {
                let mut header = Header::from_byte_slice(block).clone();
                header.set_cksum();
                block.copy_from_slice(header.as_bytes());
            }
        }
        let mut place = Place::new();
        // A sparse file may claim to be as large as it likes; a test's disk is not.
        place.limits.unpacked = 1 << 20;
        if let Err(fault) = place.unpack(&[bytes]) {
            prop_assert!(matches!(fault, Fault::Invalid(_)), "{fault:?}");
        }
    }
}
