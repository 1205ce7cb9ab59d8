//! Where evidence is kept, as `evidence.url` says it.

use std::path::PathBuf;

use crate::data_dir;

/// A place for evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvidencePlace {
    /// `file:///absolute/path`, or nothing: a folder of this machine.
    Folder(PathBuf),
    /// `postgres:`: the appliance's own database.
    Database,
    /// `s3://bucket/prefix?endpoint=…&region=…`.
    S3 {
        /// Bucket and prefix.
        objects: ObjectPlace,
        /// Of a server that is not Amazon's.
        endpoint: Option<String>,
        /// Left out: `AWS_REGION`, or the store's default.
        region: Option<String>,
    },
    /// `gs://bucket/prefix?endpoint=…&credentials=replit`.
    Gcs {
        /// Bucket and prefix.
        objects: ObjectPlace,
        /// Of a private address of Google's, or of a server that is not Google's.
        endpoint: Option<String>,
        /// Credentials come from the sidecar of Replit's App Storage, and not from the environment.
        is_replit: bool,
    },
}

/// A place in an object store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPlace {
    /// The bucket.
    pub bucket: String,
    /// All keys begin with it; may be empty.
    pub prefix: String,
}

impl EvidencePlace {
    /// Reads the setting; an empty one means a folder in `data_dir`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(url: &str, data_dir: &std::path::Path) -> Result<Self, String> {
        if url.is_empty() {
            return Ok(Self::Folder(data_dir.join(data_dir::EVIDENCE)));
        }
        let (rest, query) = url.split_once('?').unwrap_or((url, ""));
        let mut query = Query::read(query)?;
        let place = match rest.split_once(':') {
            Some(("file", path)) => match path.strip_prefix("//").filter(|path| path.starts_with('/')) {
                Some(path) => Self::Folder(PathBuf::from(path)),
                None => return Err("is not of the form file:///absolute/path".to_owned()),
            },
            Some(("postgres", "")) => Self::Database,
            Some(("s3", path)) => {
                let (endpoint, region) = (query.endpoint()?, query.take("region"));
                Self::S3 { objects: ObjectPlace::read(path)?, endpoint, region }
            }
            Some(("gs", path)) => {
                let is_replit = match query.take("credentials").as_deref() {
                    None => false,
                    Some("replit") => true,
                    Some(_) => return Err("has credentials= of another kind than replit".to_owned()),
                };
                let endpoint = query.endpoint()?;
                Self::Gcs { objects: ObjectPlace::read(path)?, endpoint, is_replit }
            }
            _ => {
                let forms = "file:///absolute/path, postgres:, s3://bucket/prefix or gs://bucket/prefix";
                return Err(format!("is not of the form {forms}"));
            }
        };
        query.finish()?;
        Ok(place)
    }
}

impl ObjectPlace {
    fn read(path: &str) -> Result<Self, String> {
        let path = path.strip_prefix("//").unwrap_or_default();
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        if bucket.is_empty() || bucket.contains(['@', ':']) {
            return Err("names no bucket; credentials belong into the environment".to_owned());
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
    }
}

/// `a=b&c=d`, taken apart.
struct Query<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Query<'a> {
    fn read(text: &'a str) -> Result<Self, String> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs =
            pairs.map(|pair| pair.split_once('=').ok_or_else(|| format!("has '{pair}' without a value")));
        pairs.collect::<Result<_, _>>().map(Self)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(place).1.to_owned())
    }

    fn endpoint(&mut self) -> Result<Option<String>, String> {
        let endpoint = self.take("endpoint");
        let is_http = |url: &String| url.starts_with("http://") || url.starts_with("https://");
        if endpoint.as_ref().is_some_and(|url| !is_http(url)) {
            return Err("has an endpoint that is not http://… or https://…".to_owned());
        }
        Ok(endpoint)
    }

    fn finish(self) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            // Its value may be a secret that stands in the wrong place.
            Some((name, _)) => Err(format!("takes no parameter {name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(url: &str) -> Result<EvidencePlace, String> {
        EvidencePlace::parse(url, Path::new("/data"))
    }

    #[test]
    fn every_form_is_read() {
        let objects =
            |bucket: &str, prefix: &str| ObjectPlace { bucket: bucket.into(), prefix: prefix.into() };
        assert_eq!(parse(""), Ok(EvidencePlace::Folder("/data/evidence".into())));
        assert_eq!(parse("file:///srv/e"), Ok(EvidencePlace::Folder("/srv/e".into())));
        assert_eq!(parse("postgres:"), Ok(EvidencePlace::Database));
        let s3 = EvidencePlace::S3 {
            objects: objects("b", "a/c"),
            endpoint: Some("http://127.0.0.1:9000".into()),
            region: Some("eu-west-1".into()),
        };
        assert_eq!(parse("s3://b/a/c/?region=eu-west-1&endpoint=http://127.0.0.1:9000"), Ok(s3));
        let gcs = |endpoint: Option<&str>, is_replit| {
            Ok(EvidencePlace::Gcs {
                objects: objects("b", ""),
                endpoint: endpoint.map(str::to_owned),
                is_replit,
            })
        };
        assert_eq!(parse("gs://b"), gcs(None, false));
        assert_eq!(parse("gs://b?credentials=replit"), gcs(None, true));
        assert_eq!(parse("gs://b?endpoint=https://gcs.example"), gcs(Some("https://gcs.example"), false));
    }

    #[test]
    fn what_is_not_a_place_is_refused() {
        for url in [
            "ftp://b",
            "file://b",
            "file:b",
            "s3:b",
            "s3://",
            "s3://key:secret@b",
            "s3://b?endpoint=b",
            "s3://b?secret=x",
            "gs://b?credentials=mine",
            "gs://b?endpoint=gcs.example",
            "postgres://host/db",
            "s3://b?region",
            "/srv/e",
        ] {
            assert!(parse(url).is_err(), "{url}");
        }
    }
}
