//! The vectors of RFC 6238, appendix B, in six digits, and what is taken when.

use firemode_domain::totp::TotpSecret;
use time::OffsetDateTime;

fn secret() -> TotpSecret {
    TotpSecret::new(*b"12345678901234567890")
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).expect("a time")
}

#[test]
fn codes_are_those_of_the_rfc() {
    for (seconds, code) in [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ] {
        assert_eq!(secret().code(seconds / 30), code);
        assert_eq!(secret().step_of(code, at(seconds), 0), Some(seconds / 30));
    }
}

#[test]
fn a_code_is_taken_one_step_around_its_own_and_once() {
    let (step, start) = (41_152_263, 1_234_567_890);
    let taken = |seconds: i64, last_step: i64| secret().step_of("005924", at(seconds), last_step);
    assert_eq!(taken(start - 30, 0), Some(step));
    assert_eq!(taken(start + 59, 0), Some(step));
    assert_eq!(taken(start - 31, 0), None);
    assert_eq!(taken(start + 60, 0), None);
    assert_eq!(taken(start, step), None, "it was taken before");
    assert_eq!(taken(start, step - 1), Some(step));
    assert_eq!(secret().step_of("5924", at(start), 0), None);
    assert_eq!(secret().step_of("", at(start), 0), None);
}

#[test]
fn a_secret_is_written_as_apps_read_it() {
    let text = secret().base32();
    assert_eq!(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    assert_eq!(TotpSecret::from_base32(&text), Some(secret()));
    assert_eq!(TotpSecret::from_base32("GEZDGNBV"), None);
    let uri = secret().uri("ada+fire@example.com");
    assert!(
        uri.starts_with("otpauth://totp/FireMode:ada%2Bfire%40example.com?secret=GEZDGNBVGY3TQOJQ"),
        "{uri}"
    );
    assert_eq!(format!("{:?}", secret()), "TotpSecret");
}
