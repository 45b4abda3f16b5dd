//! Direct pushes, broadcasts and topics: the part of [`Store`] that looks after them.

use domain::policy::Router;
use domain::{AppId, DeviceNumber, LaneId, PushId, Time};

use crate::model::{
    BroadcastPage, BroadcastRest, BroadcastStep, ClaimedDelivery, DeliveryRecord, DeliverySettled,
    Effects, Listing, NewPush, Push, PushAdded, PushState, SettleDelivery, Topic, TopicChanged,
};
use crate::{Error, Store};

impl Store {
    /// Takes a direct push in: answered only after it and its deliveries are durable.
    pub async fn add_push(&self, push: NewPush) -> Result<PushAdded, Error> {
        self.sqlite().add_push(push).await
    }

    /// How a push stands.
    pub async fn push(&self, app: AppId, push: PushId) -> Result<Option<Push>, Error> {
        self.sqlite().push(app, push).await
    }

    /// Up to `limit` pushes of an app, newest first, from behind `before` on, without what they
    /// say.
    pub async fn pushes(
        &self,
        app: AppId,
        listing: Listing,
        before: Option<PushId>,
        limit: usize,
    ) -> Result<Vec<Push<()>>, Error> {
        self.sqlite().pushes(app, listing, before, limit).await
    }

    /// Up to `limit` deliveries of a push behind the one numbered `after`; of a broadcast, those
    /// that the walk did not settle.
    pub async fn deliveries(
        &self,
        push: PushId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<DeliveryRecord>, Error> {
        self.sqlite().deliveries(push, after, limit).await
    }

    /// Cancels a push: what was not sent is not sent. One that is over stays as it is.
    pub async fn cancel_push(
        &self,
        app: AppId,
        push: PushId,
        now: Time,
    ) -> Result<Option<Push>, Error> {
        self.sqlite().cancel_push(app, push, now).await
    }

    /// Pauses a broadcast that is open, or opens one that is paused.
    pub async fn move_push(
        &self,
        app: AppId,
        push: PushId,
        state: PushState,
        now: Time,
    ) -> Result<(Option<Push>, Effects), Error> {
        self.sqlite().move_push(app, push, state, now).await
    }

    /// Claims up to `limit` due deliveries of a lane.
    pub async fn claim_deliveries(
        &self,
        lane: LaneId,
        limit: usize,
        now: Time,
    ) -> Result<(Vec<ClaimedDelivery>, Effects), Error> {
        self.sqlite().claim_deliveries(lane, limit, now).await
    }

    /// Settles an attempt: the token's verdict, then the delivery's next step, if the attempt is
    /// still the open one.
    pub async fn settle_delivery(&self, settle: SettleDelivery) -> Result<DeliverySettled, Error> {
        self.sqlite().settle_delivery(settle).await
    }

    /// Broadcasts that go on, or wait for their time.
    pub async fn broadcasts(&self) -> Result<Vec<Push>, Error> {
        self.sqlite().broadcasts().await
    }

    /// Begins a broadcast, if it has not begun: takes the number of its last device.
    pub async fn start_broadcast(&self, push: PushId, now: Time) -> Result<Option<Push>, Error> {
        self.sqlite().start_broadcast(push, now).await
    }

    /// Up to `limit` devices of a broadcast behind `after`.
    pub async fn broadcast_page(
        &self,
        push: Push,
        router: Router,
        after: DeviceNumber,
        limit: usize,
    ) -> Result<BroadcastPage, Error> {
        self.sqlite().broadcast_page(push, router, after, limit).await
    }

    /// The devices of a broadcast behind `after`, counted; `None`: there are no more.
    pub async fn broadcast_rest(
        &self,
        push: Push,
        after: DeviceNumber,
    ) -> Result<Option<BroadcastRest>, Error> {
        self.sqlite().broadcast_rest(push, after).await
    }

    /// Stores how far a broadcast has come, in one transaction; says whether it goes on.
    pub async fn broadcast_step(&self, step: BroadcastStep) -> Result<(PushState, Effects), Error> {
        self.sqlite().broadcast_step(step).await
    }

    /// How an app's devices are reached.
    pub async fn router(&self, app: AppId) -> Result<Router, Error> {
        self.sqlite().router(app).await
    }

    /// Puts devices into a topic, by the clients' own ids; makes the topic if it is new.
    pub async fn subscribe(
        &self,
        app: AppId,
        topic: String,
        devices: Vec<String>,
        now: Time,
    ) -> Result<TopicChanged, Error> {
        self.sqlite().subscribe(app, topic, devices, now).await
    }

    /// Takes devices out of a topic. `None`: no such topic.
    pub async fn unsubscribe(
        &self,
        app: AppId,
        topic: String,
        devices: Vec<String>,
    ) -> Result<Option<TopicChanged>, Error> {
        self.sqlite().unsubscribe(app, topic, devices).await
    }

    /// Forgets a topic; returns whether there was one.
    pub async fn remove_topic(&self, app: AppId, topic: String) -> Result<bool, Error> {
        self.sqlite().remove_topic(app, topic).await
    }

    /// Up to `limit` topics of an app behind the name `after`.
    pub async fn topics(
        &self,
        app: AppId,
        after: String,
        limit: usize,
    ) -> Result<Vec<Topic>, Error> {
        self.sqlite().topics(app, after, limit).await
    }

    /// Up to `limit` devices of a topic. `None`: no such topic.
    pub async fn topic_devices(
        &self,
        app: AppId,
        topic: String,
        after: Option<DeviceNumber>,
        limit: usize,
    ) -> Result<Option<Vec<(DeviceNumber, String)>>, Error> {
        self.sqlite().topic_devices(app, topic, after, limit).await
    }

    /// The topics that a device is in.
    pub async fn topics_of_device(&self, device: DeviceNumber) -> Result<Vec<String>, Error> {
        self.sqlite().topics_of_device(device).await
    }
}
