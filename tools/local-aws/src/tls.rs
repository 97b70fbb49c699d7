//! Certificates for a server on loopback: an authority made for this one server, and what it signed.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::{Error, Result};

/// Files in PEM, in the directory of the server that they are for.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    /// Whom a client has to trust.
    pub authority: PathBuf,
    /// What the server shows.
    pub certificate: PathBuf,
    /// The key that belongs to it.
    pub key: PathBuf,
}

impl Certificates {
    /// New ones for 127.0.0.1 and localhost.
    ///
    /// # Errors
    /// [`Error::Certificate`], or a file that cannot be written.
    pub fn make(directory: &TempDir) -> Result<Self> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "local-aws authority");
        let authority_key = KeyPair::generate()?;
        let authority_pem = authority.self_signed(&authority_key)?.pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate()?;
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        let write = |name: &str, text: String| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).map_err(Error::file(&path)).map(|()| path)
        };
        Ok(Self {
            authority: write("authority.pem", authority_pem)?,
            certificate: write("server.pem", certificate.pem())?,
            key: write("server.key", key.serialize_pem())?,
        })
    }
}
