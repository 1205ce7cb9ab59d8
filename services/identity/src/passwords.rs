//! Argon2id, off the threads that serve requests, with a bound on how many run at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use firemode_domain::password::normalised;
use firemode_runtime::settings::AuthSettings;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::error::IdentityError;

/// A request waits this long for its turn.
const WAIT_SECONDS_MAX: u64 = 10;

/// Hashes and checks passwords.
pub struct Passwords {
    argon2: Argon2<'static>,
    turns: Arc<Semaphore>,
    workspaces: Workspaces,
    /// Checked where there is no account, so that the answer takes as long as where there is one.
    nobody: String,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords")
    }
}

/// Memory that Argon2 works in. It is megabytes for each hash, and is used again: allocated for each, it stays with the
/// allocator of the thread that it was on, and a few dozen sign-ups take a gigabyte.
#[derive(Clone, Default)]
struct Workspaces(Arc<Mutex<Vec<Vec<Block>>>>);

impl Workspaces {
    fn take(&self) -> Vec<Block> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn put_back(&self, workspace: Vec<Block>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(workspace);
    }
}

impl Passwords {
    /// `None` where the costs are outside of what Argon2 takes.
    pub fn new(settings: &AuthSettings) -> Option<Self> {
        let params = Params::new(
            settings.argon2_memory_cost,
            settings.argon2_time_cost,
            settings.argon2_parallelism,
            Some(Params::DEFAULT_OUTPUT_LEN),
        );
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.ok()?);
        let workspaces = Workspaces::default();
        let nobody = hash(&argon2, b"nobody has this password", &workspaces).ok()?;
        let turns = Arc::new(Semaphore::new(settings.password_hashes_at_once));
        Some(Self { argon2, turns, workspaces, nobody })
    }

    /// The hash of a password, in PHC form.
    ///
    /// # Errors
    /// [`IdentityError::Busy`] where too many are hashed already.
    pub async fn hash(&self, password: &str) -> Result<String, IdentityError> {
        let (argon2, password) = (self.argon2.clone(), normalised(password).into_owned());
        let workspaces = self.workspaces.clone();
        self.in_turn(move || hash(&argon2, password.as_bytes(), &workspaces))
            .await?
            .map_err(IdentityError::internal)
    }

    /// Is this the password of an account? `None` stands for an account that is not there: never, in the same time.
    ///
    /// # Errors
    /// [`IdentityError::Busy`] where too many are hashed already.
    pub async fn check(&self, password: &str, hash: Option<&str>) -> Result<bool, IdentityError> {
        let known = hash.is_some();
        let (password, hash) = (normalised(password).into_owned(), hash.unwrap_or(&self.nobody).to_owned());
        let workspaces = self.workspaces.clone();
        let matches = self
            .in_turn(move || matches(password.as_bytes(), &hash, &workspaces))
            .await?
            .map_err(IdentityError::internal)?;
        Ok(matches && known)
    }

    /// Is a stored hash cheaper than the costs that are configured now?
    pub fn is_outdated(&self, hash: &str) -> bool {
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        let stored = PasswordHash::new(hash).ok().and_then(|hash| Params::try_from(&hash).ok());
        stored.is_some_and(|stored| {
            let ((memory, passes, lanes), wanted) = (costs(&stored), costs(self.argon2.params()));
            memory < wanted.0 || passes < wanted.1 || lanes < wanted.2
        })
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, IdentityError> {
        let turn = tokio::time::timeout(
            Duration::from_secs(WAIT_SECONDS_MAX),
            Arc::clone(&self.turns).acquire_owned(),
        );
        let turn = turn.await.map_err(|_| IdentityError::Busy)?.map_err(|_| IdentityError::Busy)?;
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        })
        .await
        .map_err(IdentityError::internal)
    }
}

fn hash(
    argon2: &Argon2<'_>,
    password: &[u8],
    workspaces: &Workspaces,
) -> argon2::password_hash::Result<String> {
    // 122 random bits: no two accounts share a salt.
    let salt = Salt::new(Uuid::new_v4().as_bytes())?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params())?,
        hash: Some(derive(argon2, password, &salt, workspaces)?),
        salt: Some(salt),
    };
    Ok(hash.to_string())
}

fn matches(password: &[u8], hash: &str, workspaces: &Workspaces) -> argon2::password_hash::Result<bool> {
    let stored = PasswordHash::new(hash)?;
    let (Some(salt), Some(expected)) = (stored.salt, stored.hash) else { return Ok(false) };
    // The costs may have been others when it was made.
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::try_from(&stored)?);
    // `Output` compares in constant time.
    Ok(derive(&argon2, password, &salt, workspaces)? == expected)
}

fn derive(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &Salt,
    workspaces: &Workspaces,
) -> argon2::password_hash::Result<Output> {
    let mut workspace = workspaces.take();
    workspace.resize(argon2.params().block_count(), Block::new());
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    let derived = argon2.hash_password_into_with_memory(password, salt, &mut output, &mut workspace);
    workspaces.put_back(workspace);
    derived?;
    Ok(Output::new(&output)?)
}
