/** One peer connection: our camera and microphone there, theirs here. */

/** Browsers on one network need no more; across networks name a STUN and a TURN server of yours. */
const ICE = { iceServers: [] };

export class Media {
  #peer = new RTCPeerConnection(ICE);
  #signal;
  /** Candidates that came before the description that they belong to. */
  #early = [];

  /**
   * @param {'audio' | 'video'} media
   * @param {{ signal: (body: object) => void, connected: () => void, failed: () => void,
   *   theirs: (stream: MediaStream) => void }} told
   */
  static async open(media, told) {
    const opened = new Media();
    opened.#signal = told.signal;
    opened.#listen(told);
    opened.mine = await ours(media);
    for (const track of opened.mine.getTracks()) opened.#peer.addTrack(track, opened.mine);
    return opened;
  }

  async offer(media) {
    // Without a microphone or camera of ours, theirs come all the same.
    const kinds = new Set(this.mine.getTracks().map(({ kind }) => kind));
    for (const kind of media === 'video' ? ['audio', 'video'] : ['audio']) {
      if (!kinds.has(kind)) this.#peer.addTransceiver(kind, { direction: 'recvonly' });
    }
    return this.#peer.createOffer();
  }

  async answer(offer) {
    await this.#take(offer);
    const answer = await this.#peer.createAnswer();
    await this.#peer.setLocalDescription(answer);
    return answer;
  }

  /** From now on candidates are found, and signalled. */
  begin(offer) {
    return this.#peer.setLocalDescription(offer);
  }

  answered(answer) {
    return this.#take(answer);
  }

  async candidate(candidate) {
    if (!this.#peer.remoteDescription) this.#early.push(candidate);
    else await this.#peer.addIceCandidate(candidate);
  }

  /** Whether a kind of ours is sent; what is off stays open, and black or silent. */
  send(kind, isOn) {
    for (const track of this.mine.getTracks()) if (track.kind === kind) track.enabled = isOn;
  }

  has(kind) {
    return this.mine.getTracks().some((track) => track.kind === kind);
  }

  close() {
    this.#peer.close();
    for (const track of this.mine?.getTracks() ?? []) track.stop();
  }

  async #take(description) {
    await this.#peer.setRemoteDescription(description);
    for (const candidate of this.#early.splice(0)) await this.#peer.addIceCandidate(candidate);
  }

  #listen({ connected, failed, theirs }) {
    const peer = this.#peer;
    const stream = new MediaStream();
    peer.onicecandidate = ({ candidate }) => {
      if (candidate) this.#signal({ candidate: candidate.toJSON() });
    };
    peer.ontrack = ({ track }) => {
      stream.addTrack(track);
      theirs(stream);
    };
    peer.onconnectionstatechange = () => {
      if (peer.connectionState === 'connected') connected();
      if (peer.connectionState === 'failed') failed();
    };
  }
}

/** What of camera and microphone can be had; a stream of nothing at worst. */
async function ours(media) {
  const wishes = media === 'video' ? [{ audio: true, video: true }, { audio: true }] : [{ audio: true }];
  for (const wish of wishes) {
    try {
      return await navigator.mediaDevices.getUserMedia(wish);
    } catch (error) {
      console.warn('no', Object.keys(wish).join(' and '), error.message);
    }
  }
  return new MediaStream();
}
