//! The limits every input is held to. `connected` tells them to the client.

/// A client frame, in bytes of its text.
pub const FRAME_BYTES: usize = 96 * 1024;
/// The body of a message, in bytes of its JSON text.
pub const BODY_BYTES: usize = 64 * 1024;
/// The body of an HTTP request, in bytes; a credential file is the largest thing sent.
pub const HTTP_BODY_BYTES: usize = 256 * 1024;
/// Recipients of one message.
pub const RECIPIENTS: usize = 100;
/// A user's name, a device id, a thread, in bytes.
pub const NAME_BYTES: usize = 128;
/// Token keys of one app.
pub const TOKEN_KEYS: usize = 8;
/// Webhooks of one app.
pub const WEBHOOKS: usize = 10;
/// What is kept of a webhook's answer, in bytes.
pub const WEBHOOK_ANSWER_BYTES: usize = 1024;
/// A secret that signs user tokens, in bytes.
pub const TOKEN_SECRET_BYTES: usize = 512;
/// A push token or a browser's subscription, in bytes.
pub const TOKEN_BYTES: usize = 4096;
/// The opaque offer of a call and one signal, in bytes of its JSON text.
pub const SIGNAL_BYTES: usize = 64 * 1024;
/// Calls named in one `connect`.
pub const HELD_CALLS: usize = 16;
/// Levels of arrays and objects in JSON that is passed on; parsers of phones go no deeper than some
/// hundreds.
pub const JSON_DEPTH: usize = 100;
/// A caller's name or handle, in bytes.
pub const CALLER_BYTES: usize = 256;
/// Title or body of a notification, in bytes.
pub const PUSH_TEXT_BYTES: usize = 1024;
/// Users, devices and targets of one direct push, together.
pub const PUSH_RECIPIENTS: usize = 1000;
/// The body of a direct push, in bytes: no push service takes a larger push.
pub const PUSH_BODY_BYTES: usize = 4096;
/// The data of a direct push, in bytes of its JSON text.
pub const PUSH_DATA_BYTES: usize = 4096;
/// What a direct push overrides for one push service, in bytes of its JSON text.
pub const PUSH_OVERRIDE_BYTES: usize = 8192;
/// Languages of one direct push.
pub const PUSH_LOCALES: usize = 100;
/// A URL in a direct push, in bytes.
pub const URL_BYTES: usize = 2048;
/// The collapse id of a direct push, in bytes: Apple's limit.
pub const COLLAPSE_BYTES: usize = 64;
/// Devices of one change of a topic.
pub const TOPIC_DEVICES: usize = 1000;
/// Topics that a device may join by itself.
pub const TOPICS_OF_DEVICE: usize = 100;
/// Entries in one answer of the HTTP inbox.
pub const PAGE: usize = 100;
/// Messages that one `read` names.
pub const READ_MESSAGES: usize = 100;
