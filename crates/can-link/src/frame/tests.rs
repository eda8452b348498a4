use embedded_can::{ExtendedId, StandardId};

use super::*;

const ID: StandardId = StandardId::MAX;

#[test]
fn a_classic_frame_holds_at_most_eight_bytes() {
    assert_eq!(CanFrame::data(ID, &[1; 8]).unwrap().payload(), [1; 8]);
    assert_eq!(CanFrame::data(ID, &[1; 9]), None);
    assert_eq!(CanFrame::remote(ID, 9), None);
}

#[test]
fn a_raw_dlc_is_kept_only_with_eight_bytes() {
    let full = DataFrame::new(ID, &[7; 8]).unwrap();
    let raw = full.with_raw_dlc(Dlc::new(14).unwrap()).unwrap();
    assert_eq!((raw.dlc().raw(), raw.data()), (14, &[7; 8][..]));
    assert_eq!(
        DataFrame::new(ID, &[7; 7])
            .unwrap()
            .with_raw_dlc(Dlc::new(14).unwrap()),
        None
    );
    let request = RemoteFrame::new(ID, 8)
        .unwrap()
        .with_raw_dlc(Dlc::new(9).unwrap())
        .unwrap();
    assert_eq!((request.dlc().raw(), request.len()), (9, 8));
}

#[test]
fn an_fd_frame_is_padded_unless_the_exact_length_is_asked_for() {
    let padded = FdFrame::new(ID, &[5; 9], FdFlags::BRS).unwrap();
    assert_eq!(padded.data(), [5, 5, 5, 5, 5, 5, 5, 5, 5, 0, 0, 0]);
    assert_eq!(
        FdFrame::with_exact_len(ID, &[5; 9], FdFlags::NONE)
            .unwrap()
            .data(),
        [5; 9]
    );
    assert_eq!(FdFrame::new(ID, &[5; 65], FdFlags::NONE), None);
}

#[test]
#[cfg(feature = "alloc")]
fn an_xl_frame_has_one_to_2048_bytes() {
    assert_eq!(XlFrame::new(ID, []), None);
    assert_eq!(XlFrame::new(ID, [0; 2049]), None);
    assert_eq!(XlFrame::new(ID, [0; 2048]).unwrap().data().len(), 2048);
}

#[test]
fn the_id_word_carries_format_and_remote_flag() {
    let extended = ExtendedId::new(0x123).unwrap();
    assert_eq!(CanFrame::remote(extended, 0).unwrap().id_word(), 0xC000_0123);
    assert_eq!(CanFrame::fd(ID, &[], FdFlags::NONE).unwrap().id_word(), 0x7FF);
}

#[test]
fn frames_fit_the_embedded_can_trait() {
    use embedded_can::Frame;
    let frame = <CanFrame as Frame>::new(ID, &[1, 2]).unwrap();
    assert!(frame.is_standard() && frame.is_data_frame());
    assert_eq!((frame.dlc(), Frame::data(&frame)), (2, &[1, 2][..]));
    assert_eq!(<CanFrame as Frame>::new_remote(ID, 3).unwrap().dlc(), 3);
}
