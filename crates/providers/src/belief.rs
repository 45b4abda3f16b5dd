//! Whether a push service believes a credential.

use domain::Refusal;

/// Whether a push service believes a credential, as far as one answer tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Belief {
    /// It does: it looked beyond the credential.
    Believed,
    /// It does not, and says why.
    Refused(Refusal),
    /// The answer does not tell, or there was none.
    Unknown,
}
