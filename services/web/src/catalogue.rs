//! Every error code that an answer can carry. docs/errors.md is made from this.

use std::fmt;

use actix_web::http::StatusCode;

/// Where a server shows the catalogue.
pub const CATALOGUE_PATH: &str = "/docs/errors";

/// A cause that clients handle in a way of its own: `FIRE-<status>` or `FIRE-<status>-<REASON>`. There are no others than those of
/// [`CATALOGUE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    status: u16,
    reason: Option<&'static str>,
    meaning: &'static str,
    remedy: &'static str,
}

macro_rules! catalogue {
    (
        $($general:literal $general_meaning:literal $general_remedy:literal;)+
        $($name:ident = $status:literal $reason:literal $meaning:literal $remedy:literal;)+
    ) => {
        $(
            #[doc = $meaning]
            pub const $name: Code =
                Code { status: $status, reason: Some($reason), meaning: $meaning, remedy: $remedy };
        )+

        /// All of them: first the statuses, then the reasons.
        pub const CATALOGUE: &[Code] = &[
            $(Code { status: $general, reason: None, meaning: $general_meaning, remedy: $general_remedy },)+
            $($name,)+
        ];
    };
}

catalogue! {
    400 "The request cannot be read: it is no JSON, or a header is missing or not valid." "Correct it; `detail` says what is wrong.";
    401 "There is no access token, or it is not good; at a sign-in, the credentials are not."
        "Sign in again.";
    403 "The role of the caller may not do this." "Ask an admin.";
    404 "There is no such object, or it is another organisation's." "Look the id up.";
    405 "The address does not take this method." "Use one of `Allow`.";
    406 "None of the forms in which it can be given is accepted." "Accept one of those that `detail` names.";
    408 "The request did not arrive in time." "Send it again, faster or in parts.";
    409 "It stands against what is there." "Read what is there; `detail` says what it is.";
    410 "The token is from before the database was restored, or a standby took over." "Begin again without one.";
    412 "It has changed since it was read, or the other side speaks another version of tus."
        "Read it again and repeat the change.";
    413 "The body, or the answer, is larger than this route allows." "Send, or ask for, less at a time.";
    414 "The address is too long." "Shorten it.";
    415 "The body is of a type or an encoding that this route does not take." "Send what `detail` names.";
    416 "The range lies outside the content." "Ask for a part of it.";
    422 "A value is not valid." "Correct each field of `errors`.";
    429 "Too many requests, or too many failed attempts." "Wait as long as `Retry-After` says.";
    431 "The headers are too large or too many." "Send fewer.";
    460 "The chunk does not have the checksum that was sent with it." "Send the chunk again.";
    500 "The request failed here; it was logged under its transaction id." "Try again; tell us the transaction id.";
    501 "This build cannot do that." "`detail` says which can.";
    502 "A part of the appliance gave no answer that can be used." "Try again after `Retry-After`.";
    503 "A part of the appliance is not there, or has too much to do." "Try again after `Retry-After`.";
    504 "A part of the appliance did not answer in time; what was asked may have been done."
        "Try again after `Retry-After`, under the same `Idempotency-Key`.";

    CURSOR = 400 "CURSOR" "The cursor or token is not of this list and these filters, or was changed."
        "Begin again without one.";
    EXPIRED = 401 "EXPIRED" "The access token has expired." "Refresh it.";
    REVOKED = 401 "REVOKED" "The access token was revoked." "Sign in again.";
    TOTP_INVALID = 401 "TOTP-INVALID" "The code of the second factor is wrong, or was used before."
        "Ask for the next code.";
    TOTP_REQUIRED = 401 "TOTP-REQUIRED" "The account has a second factor." "Send `totp` too.";
    ORIGIN = 403 "ORIGIN" "Pages of this origin may not call here." "Ask the operator; `detail` names the origin.";
    REGISTRATION_CLOSED = 403 "REGISTRATION-CLOSED" "Registration is closed here." "Ask an admin for an invitation.";
    ROUTE = 404 "ROUTE" "There is no such address." "Correct the path; `/openapi.json` has all of them.";
    CANCELLED = 409 "CANCELLED" "The session is cancelled and takes nothing more." "Keep the work; tell a manager.";
    DISABLED = 409 "DISABLED" "The user is disabled." "Enable the user first.";
    EQUIVOCATION = 409 "EQUIVOCATION"
        "A different change with the same actor and sequence number is on record."
        "Do not send it again; make the edit under a fresh actor.";
    ERASED = 409 "ERASED" "What was personal of the user was erased." "Invite the person as a new user.";
    EXISTS = 409 "EXISTS" "There is one already with this name, address or id." "Use that one, or take another.";
    HELD = 409 "HELD" "As many changes of the session wait for others as can."
        "Send what `detail` names first, and then the same again.";
    IN_PROGRESS = 409 "IN-PROGRESS" "The first request with this key is still running."
        "Send the same again after `Retry-After`.";
    IN_USE = 409 "IN-USE" "Something else names it, so that it cannot be removed."
        "Do as `detail` says: take it away there first, or disable it.";
    JOINED = 409 "JOINED" "The user has accepted the invitation already." "Disable the user, or reset the password.";
    LAST_ADMIN = 409 "LAST-ADMIN" "It is the last active admin." "Make another one first.";
    NOT_BEGUN = 409 "NOT-BEGUN" "There is nothing to confirm." "Begin a second factor first.";
    NOT_JOINED = 409 "NOT-JOINED" "The user has yet to accept the invitation." "Issue the invitation again.";
    OFFSET = 409 "OFFSET" "The upload stands at another byte." "Ask with HEAD where, and send from there.";
    PARTS = 409 "PARTS" "The upload has as many parts as it can have." "Begin a new one, and send larger chunks.";
    UPLOADS_OPEN = 409 "UPLOADS-OPEN" "The user has too many uploads open." "Finish or end one.";
    DOCUMENT = 413 "DOCUMENT" "The session's document takes more memory than there is for one."
        "Ask for what needs no document: `detail` names it.";
    HASH_MISMATCH = 422 "HASH-MISMATCH" "The bytes that arrived have another hash than was said."
        "Hash the file again and send it again.";
    IDEMPOTENCY = 422 "IDEMPOTENCY" "The key was used for another request." "Use a new key for a new request.";
    STRUCTURE = 422 "STRUCTURE" "A change does something to the key `items` of the root itself."
        "Change items one by one, below it.";
    REVOCATIONS = 429 "REVOCATIONS" "The organisation has as many revoked tokens as it can have."
        "Wait as long as `Retry-After` says, or end all tokens of a user.";
    DOWN = 503 "DOWN" "The service is down and will be back." "Try again after `Retry-After`.";
    KEYS = 503 "KEYS" "The appliance has not the key for personal data." "Tell its operator.";
    READ_ONLY = 503 "READ-ONLY" "Nothing can be stored now: the database is read-only, or has no room. What is stored can be read."
        "Keep the work, and send it again after `Retry-After`.";
    STARTING = 503 "STARTING" "The appliance is starting." "Try again after `Retry-After`.";
}

impl Code {
    /// The code of a status alone. One that is not in the catalogue counts as the general one of its kind.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let find = |status: u16| CATALOGUE.iter().find(|code| code.status == status && code.reason.is_none());
        let general = if status.is_server_error() { 500 } else { 400 };
        *find(status.as_u16()).or_else(|| find(general)).unwrap_or(&CATALOGUE[0])
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Is it worth sending the same request again later?
    pub fn is_retryable(&self) -> bool {
        matches!(self.status, 429 | 500 | 502 | 503 | 504) || *self == IN_PROGRESS
    }

    /// What happened, for people.
    pub fn meaning(&self) -> &'static str {
        self.meaning
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        self.remedy
    }

    /// Its place in the catalogue: the `type` of a problem (RFC 9457, 3.1.1).
    pub fn link(&self) -> String {
        format!("{CATALOGUE_PATH}#{}", self.anchor())
    }

    /// Its name within the page.
    pub fn anchor(&self) -> String {
        self.to_string().to_lowercase()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FIRE-{}", self.status)?;
        self.reason.map_or(Ok(()), |reason| write!(f, "-{reason}"))
    }
}
