//! Root certificates of a PEM file, as `ca` of a destination names one.
//!
//! It must not know where the bytes are from: the check of a configuration and the start both ask.

use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Adds every certificate of the text to the roots.
///
/// # Errors
/// Says which of them cannot be used, or that there is none.
pub fn add(roots: &mut RootCertStore, pem: &[u8]) -> Result<(), String> {
    let before = roots.len();
    for (number, authority) in (1..).zip(CertificateDer::pem_slice_iter(pem)) {
        let authority = authority.map_err(|error| format!("certificate {number}: {error}"))?;
        roots.add(authority).map_err(|error| format!("certificate {number}: {error}"))?;
    }
    if roots.len() == before { Err("it holds no certificate".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_certificate_is_told() {
        let mut roots = RootCertStore::empty();
        for text in ["", "no PEM", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
        {
            assert_eq!(add(&mut roots, text.as_bytes()), Err("it holds no certificate".to_owned()));
        }
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(add(&mut roots, broken.as_bytes()).unwrap_err().starts_with("certificate 1: "));
    }
}
