//! What the command line says.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

use anyhow::{Context, Result, ensure};

use super::order::Order;
use crate::fcm::DetailsOrder;

/// How the push services are set up as a program.
#[derive(Clone, Debug, clap::Args)]
pub struct StandOptions {
    /// Address for the push services to listen on; anything but loopback lets others in
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,
    /// Port of APNs, production; 0 takes any
    #[arg(long, value_name = "PORT", default_value_t = 2197)]
    pub apns_port: u16,
    /// Port of APNs, sandbox; 0 takes any
    #[arg(long, value_name = "PORT", default_value_t = 2198)]
    pub apns_sandbox_port: u16,
    /// Port of FCM and its token endpoint; 0 takes any
    #[arg(long, value_name = "PORT", default_value_t = 2199)]
    pub fcm_port: u16,
    /// Port of Web Push; 0 takes any
    #[arg(long, value_name = "PORT", default_value_t = 2200)]
    pub webpush_port: u16,
    /// Port on 127.0.0.1 for `POST /trouble`, `/devices`, `/subscribe`, `/topics`; 0 takes any
    #[arg(long, value_name = "PORT", default_value_t = 2196)]
    pub control_port: u16,
    /// Folder for what a client needs: certificates, keys; a temporary one if left out
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Bundle id of the iPhone app, package of the Android app
    #[arg(long, value_name = "ID", default_value = "com.example.app")]
    pub app_id: String,
    /// Firebase project id
    #[arg(long, value_name = "ID", default_value = "demo-project")]
    pub project: String,
    /// Accept every device token, as if its device were there
    #[arg(long)]
    pub accept_unknown_tokens: bool,
    /// Errors that APNs takes on a connection before it ends it; 410 is none, a bad device token
    /// counts twice; no limit if left out
    #[arg(long, value_name = "N")]
    pub apns_max_errors: Option<u32>,
    /// Pushes to one device in a minute before APNs answers 429; no limit if left out
    #[arg(long, value_name = "N")]
    pub apns_device_rate: Option<u32>,
    /// Order of the details in errors of FCM; Google promises none
    #[arg(long, value_enum, default_value_t)]
    pub fcm_details: DetailsOrder,
    /// Count how soon provider tokens of APNs are renewed on all connections together, to find
    /// processes that make their own
    #[arg(long)]
    pub shared_provider_tokens: bool,
    /// Trouble from the start, in the JSON of `POST /trouble`; may be given several times
    #[arg(long, value_name = "JSON")]
    pub trouble: Vec<String>,
    /// File for the log, appended to; standard output if left out
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

impl StandOptions {
    /// What the types do not say.
    pub(super) fn check(&self) -> Result<()> {
        ensure!(
            !self.listen.is_unspecified(),
            "`--listen {}` names no address: give the one that clients will use, as the \
             certificate has to name it",
            self.listen
        );
        for (flag, id) in [("--app-id", &self.app_id), ("--project", &self.project)] {
            let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            ensure!(
                !id.is_empty() && id.len() <= 255 && id.bytes().all(is_good),
                "`{flag} {id}` is no id: use letters, digits, `.`, `-` and `_`, at most 255"
            );
        }
        Ok(())
    }

    /// The trouble from the start.
    pub(super) fn orders(&self) -> Result<Vec<Order>> {
        let read = |text: &String| {
            Order::parse(text.as_bytes()).with_context(|| format!("`--trouble {text}`"))
        };
        self.trouble.iter().map(read).collect()
    }
}
