//! Tokens under attack: Wycheproof's vectors, and what RFC 8725 warns of.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firemode_domain::role::Role;
use firemode_identity::jws::{JwsError, SigningKey, SigningKeys, key_id, signed_with};
use firemode_identity::{AccessKey, InternalKey, TokenError};
use jsonwebtoken::Algorithm;
use secrecy::SecretString;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

const SECRET: &str = "a key that is made for these tests only";
const OLD_SECRET: &str = "the key that was in use before that one";
const LIFE_SECONDS: i64 = 900;

/// A user and its organisation.
const OF: (Uuid, Uuid) = (Uuid::from_u128(1), Uuid::from_u128(2));

/// Labels that contradict themselves: 367 and 370 are, byte for byte, the valid vector 357, and 372 and 373 are valid only to
/// a decoder that skips what is not base64, which RFC 7515 (appendix C, and RFC 4648, 3.3) does not allow.
const MISLABELLED: [u64; 4] = [367, 370, 372, 373];

fn now() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("a time of this century")
}

fn secret(text: &str) -> SecretString {
    text.to_owned().into()
}

fn access_key() -> AccessKey {
    AccessKey::new(&secret(SECRET), &[secret(OLD_SECRET)])
}

fn claims() -> Value {
    let now = now().unix_timestamp();
    json!({"iss": "firemode", "aud": "firemode-api", "sub": Uuid::from_u128(1), "org": Uuid::from_u128(2), "role": "admin",
           "jti": Uuid::from_u128(3), "iat": now, "nbf": now, "exp": now + LIFE_SECONDS})
}

/// A token of these very texts, signed as it should be.
fn signed(header: &str, payload: &str, secret: &str) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn with_header(header: &str) -> String {
    signed(header, &claims().to_string(), SECRET)
}

fn with_claims(change: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims();
    change(&mut claims);
    signed(r#"{"alg":"HS256"}"#, &claims.to_string(), SECRET)
}

fn read(token: &str) -> Result<Uuid, TokenError> {
    access_key().verify(token, now()).map(|claims| claims.jti)
}

#[test]
fn wycheproof() {
    let vectors: Value =
        serde_json::from_str(include_str!("data/json_web_signature_test.json")).expect("JSON");
    let mut seen = 0;
    for group in vectors["testGroups"].as_array().expect("groups") {
        let text = |name: &str| group["private"][name].as_str().unwrap_or_default();
        let key = URL_SAFE_NO_PAD.decode(text("k")).expect("base64");
        // A group without a symmetric key: ours must take none of its tokens.
        let is_ours = !key.is_empty();
        let keys = SigningKeys::new(SigningKey::named(text("kid"), &key), []);
        for test in group["tests"].as_array().expect("tests") {
            let (id, token) = (test["tcId"].as_u64().expect("an id"), test["jws"].as_str().expect("a token"));
            let is_valid = (test["result"] == "valid") != MISLABELLED.contains(&id);
            // What they sign is no claims, which is found out last of all.
            let opened = keys.open::<Value>(token, &signed_with(Algorithm::HS256));
            let is_signed = opened == Err(JwsError::Unreadable);
            assert_eq!(is_signed, is_valid && is_ours, "{id}: {}", test["comment"]);
            seen += 1;
        }
    }
    assert_eq!(seen, 41);
}

#[test]
fn another_service_with_the_secret_makes_good_tokens() {
    for header in [
        r#"{"alg":"HS256"}"#.to_owned(),
        r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(),
        r#"{"typ":"jwt","alg":"HS256","cty":"whatever"}"#.to_owned(),
        r#"{"typ":"at+jwt","alg":"HS256"}"#.to_owned(),
        r#"{"typ":"at+JWT","alg":"HS256"}"#.to_owned(),
        format!(r#"{{"alg":"HS256","kid":"{}"}}"#, key_id(SECRET.as_bytes())),
    ] {
        assert_eq!(read(&with_header(&header)), Ok(Uuid::from_u128(3)), "{header}");
    }
    let more = with_claims(|claims| claims["scope"] = json!({"what": ["ever"]}));
    assert_eq!(read(&more), Ok(Uuid::from_u128(3)), "claims that we do not know are left alone");
    let at = now().unix_timestamp();
    for (name, value) in [
        ("aud", json!(["firemode-api"])),
        ("aud", json!(["somebody", "firemode-api", "firemode-ingest"])),
        ("iat", json!(at as f64 - 0.25)),
        ("exp", json!(at as f64 + 0.75)),
        ("exp", json!(at as f64 + 900.0)),
        ("nbf", json!(at as f64 - 0.5)),
    ] {
        let token = with_claims(|claims| claims[name] = value.clone());
        assert_eq!(read(&token), Ok(Uuid::from_u128(3)), "{name}: {value}");
    }
    let without = with_claims(|claims| drop(claims.as_object_mut().expect("an object").remove("nbf")));
    assert_eq!(read(&without), Ok(Uuid::from_u128(3)), "nbf may be left out");
}

#[test]
fn new_tokens_name_the_first_key_and_tokens_of_the_others_are_taken() {
    let issue = |key: &AccessKey| {
        key.issue(OF, Role::Admin, Uuid::from_u128(3), now(), LIFE_SECONDS).expect("a token")
    };
    let before = AccessKey::new(&secret(OLD_SECRET), &[]);
    let after = AccessKey::new(&secret(SECRET), &[]);
    let token = issue(&access_key());
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap_or_default()).expect("base64");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    assert_eq!(header, json!({"alg": "HS256", "typ": "JWT", "kid": key_id(SECRET.as_bytes())}));
    assert!(access_key().verify(&issue(&before), now()).is_ok());
    assert!(after.verify(&token, now()).is_ok());
    assert_eq!(after.verify(&issue(&before), now()), Err(TokenError::Invalid), "its key was removed");
    let unnamed = signed(r#"{"alg":"HS256"}"#, &claims().to_string(), OLD_SECRET);
    assert!(access_key().verify(&unnamed, now()).is_ok(), "without a kid every key is tried");
    let misnamed = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, key_id(SECRET.as_bytes()));
    let misnamed = signed(&misnamed, &claims().to_string(), OLD_SECRET);
    assert_eq!(access_key().verify(&misnamed, now()), Err(TokenError::Invalid), "with one, only that key");
    assert!(!format!("{:?}", access_key()).contains("key that"), "keys are not shown");
}

#[test]
fn no_header_chooses_how_a_token_is_checked() {
    let embedded = r#"{"kty":"oct","k":"AAAA"}"#;
    for header in [
        r#"{"alg":"none"}"#.to_owned(),
        r#"{"alg":"None"}"#.to_owned(),
        r#"{"alg":"NONE"}"#.to_owned(),
        r#"{"alg":"nOnE"}"#.to_owned(),
        r#"{"alg":""}"#.to_owned(),
        r#"{"alg":null}"#.to_owned(),
        r#"{"alg":["HS256"]}"#.to_owned(),
        r#"{"alg":"hs256"}"#.to_owned(),
        r#"{"alg":"HS256 "}"#.to_owned(),
        r#"{"alg":"HS384"}"#.to_owned(),
        r#"{"alg":"HS512"}"#.to_owned(),
        r#"{"alg":"RS256"}"#.to_owned(),
        r#"{"alg":"ES256"}"#.to_owned(),
        r#"{"alg":"EdDSA"}"#.to_owned(),
        r#"{"typ":"JWT"}"#.to_owned(),
        r#"{"alg":"HS256","alg":"HS256"}"#.to_owned(),
        r#"{"alg":"HS256","alg":"none"}"#.to_owned(),
        r#"{"alg":"HS256","a\u006cg":"none"}"#.to_owned(),
        r#"{"alg":"HS256","x":1,"x":2}"#.to_owned(),
        r#"{"alg":"HS256","typ":"JWE"}"#.to_owned(),
        r#"{"alg":"HS256","typ":"secevent+jwt"}"#.to_owned(),
        r#"{"alg":"HS256","crit":["b64"],"b64":false}"#.to_owned(),
        r#"{"alg":"HS256","crit":[]}"#.to_owned(),
        r#"{"alg":"HS256","crit":null}"#.to_owned(),
        r#"{"alg":"HS256","kid":"../../dev/null"}"#.to_owned(),
        r#"{"alg":"HS256","kid":"' or 1=1 --"}"#.to_owned(),
        r#"{"alg":"HS256","kid":""}"#.to_owned(),
        r#"{"alg":"HS256","kid":7}"#.to_owned(),
        r#"["HS256"]"#.to_owned(),
        r#"{"alg":"HS256"}{}"#.to_owned(),
        String::new(),
        format!(r#"{{"alg":"RS256","jwk":{embedded}}}"#),
        format!(
            r#"{{"alg":"HS256",{}}}"#,
            (0..40).map(|n| format!(r#""{n}":0"#)).collect::<Vec<_>>().join(",")
        ),
    ] {
        assert_eq!(read(&with_header(&header)), Err(TokenError::Invalid), "{header}");
    }
    // Keys that a header brings along are not looked at: signed with ours it is good, signed with its own it is not.
    for member in [
        format!(r#""jwk":{embedded}"#),
        r#""jku":"http://127.0.0.1:1/"#.to_owned() + "\"",
        r#""x5u":"http://127.0.0.1:1/"#.to_owned() + "\"",
    ] {
        let header = format!(r#"{{"alg":"HS256",{member}}}"#);
        assert!(read(&with_header(&header)).is_ok(), "{header}");
        assert_eq!(
            read(&signed(&header, &claims().to_string(), "\0\0\0")),
            Err(TokenError::Invalid),
            "{header}"
        );
    }
}

#[test]
fn a_damaged_signature_is_none() {
    let token = with_claims(|_| {});
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let (first, rest) = signature.split_at(1);
    let flipped = if first == "A" { "B" } else { "A" };
    for token in [
        format!("{signed}."),
        signed.to_owned(),
        format!("{signed}.{}", &signature[..20]),
        format!("{signed}.{flipped}{rest}"),
        format!("{signed}.{signature}A"),
        format!("{signed}.{signature}="),
        format!("{signed}.{signature}\n"),
        format!(" {token}"),
        format!("{token}.{token}"),
        URL_SAFE_NO_PAD.encode(&token),
        signed_by_another(),
        "x".repeat(5_000),
    ] {
        assert_eq!(read(&token), Err(TokenError::Invalid), "{token}");
    }
}

fn signed_by_another() -> String {
    signed(r#"{"alg":"HS256"}"#, &claims().to_string(), "another secret that is as long as ours is")
}

#[test]
fn claims_must_all_be_there_be_ours_and_be_in_time() {
    let at = now().unix_timestamp();
    for name in ["iss", "aud", "sub", "org", "role", "jti", "iat", "nbf", "exp"] {
        let without = with_claims(|claims| drop(claims.as_object_mut().expect("an object").remove(name)));
        assert!(name == "nbf" || read(&without) == Err(TokenError::Invalid), "without {name}");
        let null = with_claims(|claims| claims[name] = Value::Null);
        assert_eq!(read(&null), Err(TokenError::Invalid), "{name} is null");
    }
    for (name, value, expected) in [
        ("iss", json!("somebody"), TokenError::Invalid),
        ("aud", json!("firemode-ingest"), TokenError::Invalid),
        ("aud", json!(["firemode-ingest"]), TokenError::Invalid),
        ("aud", json!([]), TokenError::Invalid),
        ("aud", json!(["firemode-api", 7]), TokenError::Invalid),
        ("aud", json!(7), TokenError::Invalid),
        ("aud", json!({"firemode-api": true}), TokenError::Invalid),
        ("iss", json!(["somebody"]), TokenError::Invalid),
        ("iss", json!(7), TokenError::Invalid),
        ("role", json!("owner"), TokenError::Invalid),
        ("jti", json!("7"), TokenError::Invalid),
        ("exp", json!(at - 6), TokenError::Expired),
        ("exp", json!(at as f64 - 5.5), TokenError::Expired),
        ("exp", json!([at]), TokenError::Invalid),
        ("nbf", json!(at as f64 + 5.5), TokenError::Invalid),
        ("exp", json!("later"), TokenError::Invalid),
        ("exp", json!(1e30), TokenError::Invalid),
        ("exp", json!(i64::MAX), TokenError::Invalid),
        ("exp", json!(at + 86_401), TokenError::Invalid),
        ("nbf", json!(at + 6), TokenError::Invalid),
        ("iat", json!(at + 6), TokenError::Invalid),
        ("iat", json!(1e300), TokenError::Invalid),
        ("iat", json!(-1e300), TokenError::Invalid),
    ] {
        assert_eq!(
            read(&with_claims(|claims| claims[name] = value.clone())),
            Err(expected),
            "{name}: {value}"
        );
    }
    for (name, value) in
        [("exp", json!(at - 4)), ("exp", json!(at + 86_400)), ("nbf", json!(at + 5)), ("iat", json!(at + 5))]
    {
        assert!(read(&with_claims(|claims| claims[name] = value.clone())).is_ok(), "{name}: {value}");
    }
}

#[test]
fn claims_that_say_something_twice_say_nothing() {
    let text = claims().to_string();
    for addition in
        [r#""role":"technician""#, r#""exp":4000000000"#, r#""r\u006fle":"technician""#, r#""x":1,"x":2"#]
    {
        let twice = text.replacen('{', &format!("{{{addition},"), 1);
        let token = signed(r#"{"alg":"HS256"}"#, &twice, SECRET);
        assert_eq!(read(&token), Err(TokenError::Invalid), "{twice}");
    }
    for payload in [
        "",
        "null",
        "[]",
        "7",
        "{}",
        &format!("[{text}]"),
        &format!("\"{}\"", with_claims(|_| {})),
        &text[1..],
    ] {
        let token = signed(r#"{"alg":"HS256"}"#, payload, SECRET);
        assert_eq!(read(&token), Err(TokenError::Invalid), "{payload}");
    }
    let nested = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let deep =
        signed(r#"{"alg":"HS256"}"#, &text.replacen('{', &format!(r#"{{"deep":{nested},"#), 1), SECRET);
    assert!(read(&deep).is_ok(), "what we do not know is skipped, however deep it goes");
}

#[test]
fn internal_tokens_have_a_key_an_audience_and_a_minute_of_their_own() {
    let internal =
        InternalKey::new(&secret("the key between the two processes, only"), &[secret(OLD_SECRET)]);
    let access =
        access_key().issue(OF, Role::Technician, Uuid::from_u128(3), now(), LIFE_SECONDS).expect("a token");
    let claims = access_key().verify(&access, now()).expect("it is good");
    let token = internal.issue(&claims, Uuid::from_u128(9), now()).expect("a token");
    let taken = internal.verify(&token, now()).expect("it is good");
    assert_eq!(
        (taken.sub, taken.access_jti, taken.transaction_id),
        (claims.sub, claims.jti, Uuid::from_u128(9))
    );
    assert_eq!(internal.verify(&token, now() + Duration::seconds(66)), Err(TokenError::Expired));
    assert_eq!(read(&token), Err(TokenError::Invalid), "it opens no door outside");
    assert_eq!(internal.verify(&access, now()), Err(TokenError::Invalid), "nor the other way round");
    // Not even where one key were used for both.
    let same = InternalKey::new(&secret(SECRET), &[]);
    assert_eq!(same.verify(&access, now()), Err(TokenError::Invalid));
    assert_eq!(
        read(&same.issue(&claims, Uuid::from_u128(9), now()).expect("a token")),
        Err(TokenError::Invalid)
    );
    let mut long = json!({"iss": "firemode", "aud": "firemode-ingest", "sub": claims.sub, "org": claims.org, "role": "admin",
                          "access_jti": claims.jti, "access_iat": 0, "transaction_id": claims.jti,
                          "nbf": now().unix_timestamp(), "exp": now().unix_timestamp() + 60});
    assert!(internal.verify(&signed(r#"{"alg":"HS256"}"#, &long.to_string(), OLD_SECRET), now()).is_ok());
    long["exp"] = json!(now().unix_timestamp() + 61);
    let long = signed(r#"{"alg":"HS256"}"#, &long.to_string(), OLD_SECRET);
    assert_eq!(internal.verify(&long, now()), Err(TokenError::Invalid), "it lives too long");
}
