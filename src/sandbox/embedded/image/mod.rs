//! STUB
pub struct Store;
pub struct Image {
    pub root: std::path::PathBuf,
    pub env: Vec<(String, String)>,
}
impl Store {
    pub fn new(_: std::path::PathBuf) -> Self {
        Self
    }
    pub fn find(&self, _: &str) -> Result<Option<Image>, crate::sandbox::SandboxError> {
        Ok(None)
    }
}
