//! A tenant with one of everything, requests that would work on it, and callers of every kind.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::rules::pressure;
use crate::sign_in::enrol;
use crate::support::organisation::{PASSWORD, new_email};
use crate::support::{Answer, Client, Form, Site, Stack, new_key};
use crate::uploads::{metadata, open_with};

const ROLES: [&str; 4] = ["admin", "manager", "technician", "auditor"];

/// A tenant of its own.
pub(super) struct World {
    site: Site,
    evidence_id: String,
    /// An asset has it.
    measure_id: String,
    party_id: String,
    defect_id: String,
    /// One that the requests turn off, and one that they read.
    rules: [Answer; 2],
    members: Vec<Member>,
    /// Who is erased.
    leaver_id: Uuid,
    document: Value,
}

/// A user with a role.
struct Member {
    role: &'static str,
    user_id: Uuid,
}

impl World {
    pub(super) fn new() -> Self {
        let stack = Stack::shared();
        let site = Site::new();
        let photo = Form::photo(&site.session_id, format!("\u{fffd} {}", new_key()).as_bytes());
        let evidence_id = photo.upload(&site.admin).expect(201).text("/evidence_id");
        let measure_id =
            crate::measures::make(&site.admin, &site.building_id, "AS 1851-2012").expect(201).id();
        let party_id = crate::parties::add_one(&site.admin, &site.building_id);
        let defect = json!({"building_id": site.building_id, "description": "A sprinkler head is painted."});
        let defect_id = site.admin.post("/v1/defects", &defect).expect(201).id();
        let asset = format!("/v1/buildings/{}/assets/{}", site.building_id, site.items[0]);
        site.admin.patch(&asset, &json!({"measure_id": measure_id})).expect(200);
        crate::baselines::set(&site.admin, &site.building_id, &site.items[0], "pressure", 1200.0, "kPa")
            .expect(201);
        let rule = || pressure(&new_rule_code(), "1.0.0", "critical_defect");
        let rules = [rule(), rule()].map(|rule| site.admin.post("/v1/rules", &rule).expect(201));
        let member = |role| {
            let member = site.organisation.member(stack, role);
            enrol(&member.client);
            Member { role, user_id: member.user_id }
        };
        let members = ROLES.map(member).into();
        let leaver_id = site.organisation.member(stack, "technician").user_id;
        let document = stack.client().get("/openapi.json").expect(200).json;
        Self { evidence_id, measure_id, party_id, defect_id, rules, members, leaver_id, document, site }
    }

    /// A client of a user with this role, with a token that nobody else uses: the routes under test end some.
    pub(super) fn member(&self, role: &str) -> Client {
        let member = self.members.iter().find(|member| member.role == role).unwrap();
        Stack::shared().client().with_token(sign(&self.claims(member), Algorithm::HS256, &secret("jwt")))
    }

    /// Clients whose token is none that holds, by what is wrong with it.
    pub(super) fn strangers_to_all(&self) -> Vec<(&'static str, Client)> {
        let admin = &self.members[0];
        let forged = |change: fn(&mut Value)| {
            let mut claims = self.claims(admin);
            change(&mut claims);
            sign(&claims, Algorithm::HS256, &secret("jwt"))
        };
        let good = forged(|_| {});
        let tokens = [
            ("empty", String::new()),
            ("garbage", "garbage".to_owned()),
            ("three dots", "a.b.c".to_owned()),
            ("cut off", good[..good.len() - 1].to_owned()),
            ("changed in its claims", with_other_claims(&good)),
            ("unsigned", unsigned(&good)),
            ("signed by another", sign(&self.claims(admin), Algorithm::HS256, &new_key())),
            ("signed in another way", sign(&self.claims(admin), Algorithm::HS512, &secret("jwt"))),
            ("oversized", format!("{good}{}", "x".repeat(5_000))),
            ("expired", forged(|claims| claims["exp"] = 1_700_000_000.into())),
            ("not valid yet", forged(|claims| claims["nbf"] = 4_000_000_000_i64.into())),
            ("of another issuer", forged(|claims| claims["iss"] = "somebody".into())),
            ("for another audience", forged(|claims| claims["aud"] = "firemode-ingest".into())),
            ("internal", self.internal(admin)),
            ("revoked", self.revoked(admin)),
            ("of a user whose tokens were ended", self.ended()),
            ("of a user who was disabled", self.disabled()),
        ];
        tokens.map(|(kind, token)| (kind, Stack::shared().client().with_token(token))).into()
    }

    /// Sends a request that would work on this tenant's objects.
    pub(super) fn send(&self, method: &str, path: &str, client: &Client) -> Answer {
        let address = self.address(path, client);
        let request = client.request(method, &address).key(&new_key());
        match path {
            "/v1/evidence" if method == "POST" => Form::photo(&self.site.session_id, b"x").upload(client),
            "/v1/evidence/uploads/{upload_id}" => {
                let request = request.header("tus-resumable", "1.0.0").header("upload-offset", "0");
                match method {
                    "PATCH" => request.body("application/offset+octet-stream", b"abc").send(),
                    _ => request.send(),
                }
            }
            _ => match self.body(method, path) {
                Some(body) => request.json(&body).send(),
                None => request.send(),
            },
        }
    }

    /// Does such a request name an object in its body?
    pub(super) fn names_an_object(&self, method: &str, path: &str) -> bool {
        let body = self.body(method, path).map(|body| body.to_string()).unwrap_or_default();
        (method, path) == ("POST", "/v1/evidence") || self.ids().iter().any(|id| body.contains(id))
    }

    /// Is anything of this tenant in an answer? What a request has named itself may come back in its problem.
    pub(super) fn shows_anything(&self, answer: &Answer) -> bool {
        let mut body = answer.json.clone();
        if answer.status >= 400 {
            for member in ["instance", "detail", "message", "errors"] {
                body[member] = Value::Null;
            }
        }
        let text = if body.is_null() {
            String::from_utf8_lossy(&answer.body).into_owned()
        } else {
            body.to_string()
        };
        self.ids().iter().any(|id| text.contains(id))
    }

    /// What the tenant's admin sees of it.
    pub(super) fn state(&self) -> Value {
        let admin = self.member("admin");
        let paths = [
            "/v1/buildings/{building_id}",
            "/v1/buildings/{building_id}/assets",
            "/v1/buildings/{building_id}/assets/{asset_id}/baseline/versions",
            "/v1/buildings/{building_id}/measures",
            "/v1/evidence/{evidence_id}",
            "/v1/users/me",
        ];
        let read = |path: &str| admin.get(&self.address(path, &admin)).expect(200).json;
        let mut session = read("/v1/tests/sessions/{session_id}");
        // New with each reading, by contract.
        session["actor_id"] = Value::Null;
        json!([paths.map(read), session])
    }

    fn ids(&self) -> Vec<String> {
        let site = &self.site;
        let users = self.members.iter().map(|member| member.user_id).chain([self.leaver_id]);
        let own = [
            site.building_id.clone(),
            site.session_id.clone(),
            self.evidence_id.clone(),
            self.measure_id.clone(),
            self.party_id.clone(),
            self.defect_id.clone(),
            self.rules[0].id(),
        ];
        own.into_iter().chain(site.items.iter().cloned()).chain(users.map(|id| id.to_string())).collect()
    }

    /// An upload, which only the user who opened it may use; for a caller who cannot open one here, the admin's.
    fn upload_of(&self, client: &Client) -> String {
        let open = |client| open_with(client, 3, &metadata(&self.site, b"abc", &[]));
        let opened = open(client);
        let opened = if opened.status == 201 { opened } else { open(&self.site.admin).expect(201) };
        opened.header("location").rsplit('/').next().unwrap().to_owned()
    }

    /// Background work, which only the user who started it sees; for a caller of nobody here, a member's.
    fn classification(&self) -> String {
        let fault = json!({"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low"});
        self.site.admin.post("/v1/classify", &fault).expect(200).text("/audit_log_id")
    }

    fn report(&self) -> String {
        let asked = self.example("POST", "/v1/rules/impact").unwrap();
        self.site.admin.post("/v1/rules/impact", &asked).expect(202).id()
    }

    fn job_of(&self, client: &Client) -> String {
        let caller = client.token_if_any().and_then(subject);
        let own = self.members.iter().find(|member| caller == Some(member.user_id));
        let user_id = own.unwrap_or(&self.members[0]).user_id;
        crate::jobs::add(&self.site.organisation, user_id, &new_key()).to_string()
    }

    fn address(&self, path: &str, client: &Client) -> String {
        let segment = |segment: &str| match segment {
            "{building_id}" => self.site.building_id.clone(),
            "{asset_id}" => self.site.items[0].clone(),
            "{session_id}" => self.site.session_id.clone(),
            "{evidence_id}" => self.evidence_id.clone(),
            "{upload_id}" => self.upload_of(client),
            "{measure_id}" => self.measure_id.clone(),
            "{party_id}" => self.party_id.clone(),
            "{defect_id}" => self.defect_id.clone(),
            "{job_id}" if path.starts_with("/v1/rules/impact/") => self.report(),
            "{job_id}" => self.job_of(client),
            "{audit_log_id}" => self.classification(),
            "{rule_id}" => self.rules[0].id(),
            "{rule_code}" => self.rules[1].text("/rule_code"),
            "{kind}" => "buildings.json".to_owned(),
            "{user_id}" if path.ends_with("/erase") => self.leaver_id.to_string(),
            "{user_id}" => self.members[3].user_id.to_string(),
            "{file}" => "index.html".to_owned(),
            _ if segment.starts_with('{') => {
                panic!("{path}: tests/it/access/world.rs has to say which object of a tenant {segment} is")
            }
            _ => segment.to_owned(),
        };
        path.split('/').map(segment).collect::<Vec<_>>().join("/")
    }

    /// What the document gives as an example, where that needs nothing that a reader has to make first.
    fn body(&self, method: &str, path: &str) -> Option<Value> {
        let organisation = &self.site.organisation;
        let own = match (method, path) {
            ("POST", "/v1/auth/register") => {
                let (name, email) = (new_key(), new_email());
                json!({"organisation_name": name, "email": email, "password": PASSWORD, "full_name": "Ada"})
            }
            ("POST", "/v1/auth/login") => json!({"email": organisation.email, "password": PASSWORD}),
            ("POST", "/v1/auth/refresh") => json!({"refresh_token": organisation.refresh_token}),
            ("POST", "/v1/auth/revoke") => json!({"jti": Uuid::new_v4()}),
            ("POST", "/v1/auth/revoke-all") => json!({"user_id": self.members[3].user_id}),
            ("POST", "/v1/rules") => pressure(&new_rule_code(), "1.0.0", "critical_defect"),
            ("POST", "/v1/tests/sessions") => json!({"building_id": self.site.building_id}),
            ("POST", "/v1/defects") => {
                json!({"building_id": self.site.building_id, "description": "A door sticks."})
            }
            // What technicians may say of one, too.
            ("PATCH", "/v1/defects/{defect_id}") => json!({"status": "repaired", "reason": "Replaced."}),
            _ => return self.example(method, path),
        };
        Some(own)
    }

    fn example(&self, method: &str, path: &str) -> Option<Value> {
        let body = &self.document["paths"][path][method.to_lowercase()]["requestBody"];
        let schema = &body["content"]["application/json"]["schema"];
        let reference = schema["$ref"].as_str()?.strip_prefix('#')?;
        let example = &self.document.pointer(reference)?["example"];
        // A body whose fields are all optional needs no example.
        Some(if example.is_null() { json!({}) } else { example.clone() })
    }

    fn claims(&self, member: &Member) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        json!({
            "iss": "firemode", "aud": "firemode-api", "sub": member.user_id, "org": self.site.organisation.id,
            "role": member.role, "jti": Uuid::new_v4(), "iat": now.as_secs_f64(), "nbf": now.as_secs(),
            "exp": now.as_secs() + 600,
        })
    }

    /// What the API would hand to the ingest process.
    fn internal(&self, member: &Member) -> String {
        let mut claims = self.claims(member);
        claims["aud"] = "firemode-ingest".into();
        claims["access_jti"] = claims["jti"].clone();
        claims["access_iat"] = claims["iat"].clone();
        claims["transaction_id"] = Uuid::now_v7().to_string().into();
        sign(&claims, Algorithm::HS256, &secret("internal_jwt"))
    }

    fn revoked(&self, member: &Member) -> String {
        let claims = self.claims(member);
        let body = json!({"jti": claims["jti"]});
        self.site.admin.post("/v1/auth/revoke", &body).expect(204);
        sign(&claims, Algorithm::HS256, &secret("jwt"))
    }

    /// A token of an admin who was disabled after it was made.
    fn disabled(&self) -> String {
        let user_id = self.site.organisation.member(Stack::shared(), "admin").user_id;
        let token = sign(&self.claims(&Member { role: "admin", user_id }), Algorithm::HS256, &secret("jwt"));
        self.site.admin.patch(&format!("/v1/users/{user_id}"), &json!({"is_active": false})).expect(200);
        token
    }

    /// A token of a user whose every token was ended after it was made.
    fn ended(&self) -> String {
        let auditor = &self.members[3];
        let token = sign(&self.claims(auditor), Algorithm::HS256, &secret("jwt"));
        self.site.admin.post("/v1/auth/revoke-all", &json!({"user_id": auditor.user_id})).expect(204);
        token
    }
}

/// A code of a rule that no other has.
fn new_rule_code() -> String {
    format!("OWN-{}", new_key().to_uppercase())
}

/// Whose a token is.
fn subject(token: &str) -> Option<Uuid> {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Value>(&claims).ok()?["sub"].as_str()?.parse().ok()
}

/// The key that development has made for itself.
fn secret(name: &str) -> String {
    Stack::shared().folder().secret(&format!("{name}_secret_key"))
}

fn sign(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes()))
        .unwrap()
}

/// The same token as an admin of another organisation, under the old signature.
fn with_other_claims(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let claims = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
    let mut claims: Value = serde_json::from_slice(&claims).unwrap();
    claims["org"] = Uuid::new_v4().to_string().into();
    format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2])
}

/// The same claims under `alg: none`.
fn unsigned(token: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    format!("{}.{claims}.", URL_SAFE_NO_PAD.encode(json!({"alg": "none", "typ": "JWT"}).to_string()))
}
