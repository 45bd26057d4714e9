CREATE TABLE link_groups (
  id         uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id    uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  version    integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE link_groups IS 'Calendars that are linked with each other, both ways: one link for each ordered pair, all with the same settings. A two-way link is a group of two.';
CREATE INDEX link_groups_user ON link_groups (user_id);
SELECT protect_tenant_table('link_groups', 'user_id');

CREATE TABLE links (
  id                 uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id            uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  group_id           uuid REFERENCES link_groups ON DELETE SET NULL,
  source_calendar_id uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  target_calendar_id uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  privacy            text NOT NULL DEFAULT 'busy' CHECK (privacy IN ('busy', 'title', 'full')),
  busy_title         text NOT NULL DEFAULT 'Busy' CHECK (length(busy_title) BETWEEN 1 AND 200),
  title_template     text CHECK (length(title_template) BETWEEN 1 AND 200),
  show               jsonb NOT NULL DEFAULT '{}',
  skip_all_day       boolean NOT NULL DEFAULT false,
  skip_free          boolean NOT NULL DEFAULT true,
  filters            jsonb NOT NULL DEFAULT '{}',
  on_edit            text NOT NULL DEFAULT 'restore' CHECK (on_edit IN ('restore', 'leave', 'merge')),
  on_delete          text NOT NULL DEFAULT 'restore' CHECK (on_delete IN ('restore', 'ignore', 'decline', 'withdraw')),
  on_conflict        text NOT NULL DEFAULT 'newest' CHECK (on_conflict IN ('newest', 'source', 'target', 'ask')),
  days_ahead         integer DEFAULT 365 CHECK (days_ahead BETWEEN 1 AND 730),
  days_behind        integer NOT NULL DEFAULT 1 CHECK (days_behind BETWEEN 0 AND 365),
  accepted_readers   text[] NOT NULL DEFAULT '{}',
  state              text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'deleting')),
  rendering          integer NOT NULL DEFAULT 1,
  version            integer NOT NULL DEFAULT 1,
  created_at         timestamptz NOT NULL DEFAULT now(),
  updated_at         timestamptz NOT NULL DEFAULT now(),
  UNIQUE (source_calendar_id, target_calendar_id),
  CHECK (source_calendar_id <> target_calendar_id)
);
COMMENT ON COLUMN links.show IS 'Fields that show or not whatever the preset says: {"title": bool, "description": ..., "location": ..., "availability": ...}.';
COMMENT ON COLUMN links.filters IS 'What differs from the defaults of shared.sync.rules.filters.Filters.';
COMMENT ON COLUMN links.on_edit IS 'What becomes of a mirror that somebody changed by hand; leave: until its source changes; merge: the edit goes back to the source, as far as the link shows the source''s own text.';
COMMENT ON COLUMN links.on_delete IS 'What follows when somebody deletes a mirror by hand; ignore: it is never made again; decline: nor is the invitation kept; withdraw: the source event is deleted, too.';
COMMENT ON COLUMN links.on_conflict IS 'Who wins what both sides changed, where edits are merged; ask: it waits in conflicts.';
COMMENT ON COLUMN links.rendering IS 'Rises with every change of the settings; a mirror is in line with them once its own is as high.';
COMMENT ON COLUMN links.days_ahead IS 'Null means without bound.';
COMMENT ON COLUMN links.accepted_readers IS 'Those of calendars.readers of the target who may read what the link shows: its person has said so.';
CREATE INDEX links_target ON links (target_calendar_id);
CREATE INDEX links_group ON links (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX links_user ON links (user_id);
SELECT protect_tenant_table('links', 'user_id');

-- Who stops reading a calendar and begins again is new to its links.
CREATE FUNCTION forget_readers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE links
     SET accepted_readers = ARRAY(SELECT unnest(accepted_readers) INTERSECT SELECT unnest(NEW.readers) ORDER BY 1)
   WHERE target_calendar_id = NEW.id AND NOT accepted_readers <@ NEW.readers;
  RETURN NULL;
END $$;
CREATE TRIGGER forget_readers AFTER UPDATE OF readers ON calendars
  FOR EACH ROW WHEN (OLD.readers IS DISTINCT FROM NEW.readers) EXECUTE FUNCTION forget_readers();

CREATE TABLE sync_runs (
  id             uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id        uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  kind           text NOT NULL CHECK (kind IN ('pull', 'full', 'push', 'undo')),
  calendar_id    uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  correlation_id text NOT NULL,
  started_at     timestamptz NOT NULL DEFAULT now(),
  finished_at    timestamptz,
  outcome        text CHECK (outcome IN ('success', 'partial', 'failure')),
  processed      integer NOT NULL DEFAULT 0,
  failed         integer NOT NULL DEFAULT 0,
  requests       integer NOT NULL DEFAULT 0,
  error_summary  text,
  undoes         uuid UNIQUE REFERENCES sync_runs ON DELETE SET NULL
);
COMMENT ON COLUMN sync_runs.undoes IS 'The run that this one takes back; a run is taken back once.';
CREATE INDEX sync_runs_calendar ON sync_runs (calendar_id, id DESC);
CREATE INDEX sync_runs_user ON sync_runs (user_id, id DESC);
SELECT protect_tenant_table('sync_runs', 'user_id');

CREATE TABLE sync_jobs (
  id              uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id         uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  type            text NOT NULL CHECK (type IN ('initial', 'full', 'purge')),
  calendar_id     uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  generation      bigint NOT NULL,
  status          text NOT NULL DEFAULT 'pending'
                  CHECK (status IN ('pending', 'in_progress', 'retrying', 'completed', 'failed')),
  pages           integer NOT NULL DEFAULT 0,
  items           integer NOT NULL DEFAULT 0,
  retry_count     integer NOT NULL DEFAULT 0,
  next_run_at     timestamptz NOT NULL DEFAULT now(),
  last_error      text,
  idempotency_key text NOT NULL UNIQUE CHECK (length(idempotency_key) <= 255),
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sync_jobs IS 'Long work with progress, behind all live work: full reads of a calendar, one job a generation.';
CREATE INDEX sync_jobs_due ON sync_jobs (next_run_at) WHERE status IN ('pending', 'in_progress', 'retrying');
CREATE INDEX sync_jobs_calendar ON sync_jobs (calendar_id, id DESC);
SELECT protect_tenant_table('sync_jobs', 'user_id');

CREATE TABLE external_calendar_events (
  id                uuid PRIMARY KEY DEFAULT uuidv7(),
  provider_id       uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  calendar_provider text NOT NULL,
  calendar_id       uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  external_event_id text NOT NULL,
  booking_id        uuid,
  ical_uid          text,
  series_id         text,
  occurrence        text,
  start_time        timestamptz,
  end_time          timestamptz,
  is_busy           boolean NOT NULL DEFAULT true,
  checksum          text NOT NULL,
  sync_status       text NOT NULL CHECK (sync_status IN ('CREATED', 'UPDATED', 'CANCELLED', 'FAILED')),
  last_error        text,
  details           jsonb NOT NULL,
  raw_payload       bytea,
  etag              text,
  changed_at        timestamptz,
  seen_generation   bigint NOT NULL DEFAULT 0,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  CHECK (end_time >= start_time),
  UNIQUE (provider_id, calendar_provider, external_event_id, calendar_id)
);
COMMENT ON TABLE external_calendar_events IS
  'What we know of the providers'' calendars. Rows with a booking_id are mirrors (it names the mapping); setting a FAILED one to CREATED pushes it again.';
COMMENT ON COLUMN external_calendar_events.changed_at IS 'When the provider says that it was last changed.';
COMMENT ON COLUMN external_calendar_events.raw_payload IS 'The event''s text, sealed under the connection''s data key; null where no link needs it.';
COMMENT ON COLUMN external_calendar_events.checksum IS 'Keyed SHA-256 over the whole event, text included, so that it tells nothing about it.';
CREATE UNIQUE INDEX external_calendar_events_calendar ON external_calendar_events (calendar_id, external_event_id);
CREATE INDEX external_calendar_events_series ON external_calendar_events (calendar_id, series_id) WHERE series_id IS NOT NULL;
CREATE INDEX external_calendar_events_meeting ON external_calendar_events (calendar_id, ical_uid) WHERE ical_uid IS NOT NULL;
CREATE INDEX external_calendar_events_start ON external_calendar_events (calendar_id, start_time);
CREATE UNIQUE INDEX external_calendar_events_booking ON external_calendar_events (booking_id, calendar_provider)
  WHERE booking_id IS NOT NULL;
CREATE INDEX external_calendar_events_failed ON external_calendar_events (provider_id) WHERE sync_status = 'FAILED';
SELECT protect_tenant_table('external_calendar_events', 'provider_id');

CREATE TABLE held_changes (
  id          uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id     uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  link_id     uuid NOT NULL REFERENCES links ON DELETE CASCADE,
  run_id      uuid REFERENCES sync_runs ON DELETE SET NULL,
  deletions   integer NOT NULL,
  mirrors     integer NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  resolution  text CHECK (resolution IN ('approved', 'discarded')),
  resolved_at timestamptz,
  resolved_by text
);
CREATE INDEX held_changes_open ON held_changes (user_id) WHERE resolution IS NULL;
CREATE INDEX held_changes_link ON held_changes (link_id);
SELECT protect_tenant_table('held_changes', 'user_id');

CREATE TABLE event_mappings (
  id                 uuid PRIMARY KEY,
  user_id            uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  link_id            uuid NOT NULL REFERENCES links ON DELETE CASCADE,
  source_calendar_id uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  target_calendar_id uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  source_event_id    text NOT NULL,
  incarnation        integer NOT NULL DEFAULT 1,
  mirror_key         text NOT NULL,
  mirror_event_id    text,
  marker             text,
  wanted             text NOT NULL CHECK (wanted IN ('present', 'absent')),
  state              text NOT NULL CHECK (state IN ('open', 'held', 'frozen', 'discarded', 'undone', 'ignored')),
  hold_id            uuid REFERENCES held_changes ON DELETE SET NULL,
  reason             text,
  gives_way          boolean NOT NULL DEFAULT false,
  lane               smallint NOT NULL DEFAULT 0,
  requested          bigint NOT NULL DEFAULT 1,
  done               bigint NOT NULL DEFAULT 0,
  attempts           integer NOT NULL DEFAULT 0,
  tried              boolean NOT NULL DEFAULT false,
  next_attempt_at    timestamptz,
  last_error         text,
  applied            jsonb,
  base               bytea,
  undo_to            bytea,
  observed           jsonb,
  mirror_etag        text,
  ignored            text[] NOT NULL DEFAULT '{}',
  edit               bytea,
  edit_due           boolean NOT NULL DEFAULT false,
  shown              bytea,
  rendering          integer NOT NULL DEFAULT 0,
  remask             boolean NOT NULL DEFAULT false,
  waits              boolean NOT NULL GENERATED ALWAYS AS ((requested > done AND state IN ('open', 'undone') AND NOT edit_due) OR remask) STORED,
  rewrites           integer NOT NULL DEFAULT 0,
  rewrites_since     timestamptz,
  due_since          timestamptz NOT NULL DEFAULT now(),
  created_at         timestamptz NOT NULL DEFAULT now(),
  updated_at         timestamptz NOT NULL DEFAULT now(),
  UNIQUE (link_id, source_event_id)
);
COMMENT ON TABLE event_mappings IS 'The tie between a source event and its mirror in one link; due while it waits.';
COMMENT ON COLUMN event_mappings.applied IS 'Fingerprints of what was written: {"root": ..., "overrides": {occurrence: ...}}; null before the first write.';
COMMENT ON COLUMN event_mappings.id IS 'Made of the link and the source event: the markers of its mirrors stay true though the row is lost.';
COMMENT ON COLUMN event_mappings.observed IS 'Checksums of the mirror as the provider gave it back: {"": root, occurrence: ...}.';
COMMENT ON COLUMN event_mappings.gives_way IS 'The other form of its series is mirrored in its place: each occurrence by itself, or all of it.';
COMMENT ON COLUMN event_mappings.ignored IS 'Occurrences of the mirror that somebody deleted by hand, to be left out; state ignored: all of it.';
COMMENT ON COLUMN event_mappings.edit IS 'The mirror as somebody left it and it is not merged yet, or as it stays while a conflict waits; sealed like base.';
COMMENT ON COLUMN event_mappings.edit_due IS 'The edit is to be merged at the next look at the source; until then the mirror is not written.';
COMMENT ON COLUMN event_mappings.shown IS 'What the target showed after the last merge, where that is not just what was written; sealed like base.';
COMMENT ON COLUMN event_mappings.remask IS 'The link''s settings changed while the mirror stands although its deletion is held or was discarded: what it shows follows them all the same.';
COMMENT ON COLUMN event_mappings.waits IS 'Something is to be written, as soon as next_attempt_at allows.';
COMMENT ON COLUMN event_mappings.rendering IS 'The rendering of the link under which the mirror was last brought in line.';
COMMENT ON COLUMN event_mappings.incarnation IS 'Rises when the mirror is known to be gone: the next one has another key.';
COMMENT ON COLUMN event_mappings.marker IS 'The marker as it was written: a rotated signing secret makes others, and this one still proves the mirror ours.';
COMMENT ON COLUMN event_mappings.tried IS 'Whether a creation of this incarnation may have reached the provider.';
COMMENT ON COLUMN event_mappings.undo_to IS 'What the mirror was put back to while the state is undone, sealed like base; null: there was none.';
COMMENT ON COLUMN event_mappings.due_since IS 'When it last became due: requested rose above done. Kept by a trigger, whoever asks.';
COMMENT ON COLUMN event_mappings.lane IS 'What goes first: 0 live, 1 repair, 2 backfill (shared/core/lanes.py).';
COMMENT ON COLUMN event_mappings.base IS 'What was written, sealed under the target connection''s data key: merge base and inverse of the next write.';
CREATE INDEX event_mappings_due ON event_mappings (target_calendar_id, lane, next_attempt_at)
  WHERE waits;
CREATE INDEX event_mappings_mirror ON event_mappings (target_calendar_id, mirror_event_id);
CREATE INDEX event_mappings_source ON event_mappings (source_calendar_id, source_event_id);
CREATE INDEX event_mappings_edit ON event_mappings (source_calendar_id) WHERE edit_due;
CREATE INDEX event_mappings_hold ON event_mappings (hold_id) WHERE hold_id IS NOT NULL;
SELECT protect_tenant_table('event_mappings', 'user_id');
-- When it may be tried, whoever asks says: next_attempt_at.
CREATE VIEW mirrors_due WITH (security_invoker = true) AS
  SELECT m.id, m.target_calendar_id, m.lane, m.next_attempt_at
    FROM event_mappings m JOIN links l ON l.id = m.link_id AND l.state <> 'paused'
   WHERE m.waits;
GRANT SELECT ON mirrors_due TO kalends_runtime, kalends_operator;

CREATE TABLE source_writes (
  id          uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id     uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  mapping_id  uuid NOT NULL REFERENCES event_mappings ON DELETE CASCADE,
  calendar_id uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  event_id    text NOT NULL,
  occurrence  text NOT NULL DEFAULT '',
  operation   text NOT NULL CHECK (operation IN ('decline', 'withdraw', 'amend')),
  patches     bytea,
  undo_run    uuid REFERENCES sync_runs ON DELETE SET NULL,
  asked_at    timestamptz NOT NULL DEFAULT now(),
  done_at     timestamptz,
  last_error  text,
  UNIQUE (mapping_id, occurrence)
);
COMMENT ON TABLE source_writes IS 'Source events to decline or to delete because their mirrors were deleted by hand, or to put back because a run is undone; carried out with the next look at the source.';
COMMENT ON COLUMN source_writes.undo_run IS 'The run of kind undo that asks for it.';
COMMENT ON COLUMN source_writes.patches IS 'What an amendment replaces and what it brings, sealed under the calendar connection''s data key.';
CREATE INDEX source_writes_due ON source_writes (calendar_id) WHERE done_at IS NULL;
CREATE INDEX source_writes_user ON source_writes (user_id);
SELECT protect_tenant_table('source_writes', 'user_id');

CREATE TABLE conflicts (
  id           uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id      uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  link_id      uuid NOT NULL REFERENCES links ON DELETE CASCADE,
  mapping_id   uuid NOT NULL REFERENCES event_mappings ON DELETE CASCADE,
  occurrence   text NOT NULL,
  field        text NOT NULL CHECK (field IN ('title', 'description', 'location', 'when', 'availability', 'recurrence', 'occurrence')),
  source_value bytea,
  target_value bytea,
  winner       text CHECK (winner IN ('source', 'target')),
  decided_by   text,
  detected_at  timestamptz NOT NULL,
  resolved_at  timestamptz
);
COMMENT ON TABLE conflicts IS 'What both sides of a link changed, with both values, sealed under the source connection''s data key; null: there was no such occurrence.';
COMMENT ON COLUMN conflicts.decided_by IS 'A person, policy (the link''s), overtaken (source or mirror went), or the code of the error with which the source refused the edit; null while it waits. A decision is carried out with the next look at the source, and resolved then.';
CREATE UNIQUE INDEX conflicts_open ON conflicts (mapping_id, occurrence, field) WHERE resolved_at IS NULL;
CREATE INDEX conflicts_user ON conflicts (user_id, id DESC);
CREATE INDEX conflicts_link ON conflicts (link_id);
CREATE INDEX conflicts_mapping ON conflicts (mapping_id);
SELECT protect_tenant_table('conflicts', 'user_id');
CREATE FUNCTION end_conflicts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE conflicts
     SET winner = coalesce(winner, 'source'), decided_by = coalesce(decided_by, 'overtaken'), resolved_at = now()
   WHERE mapping_id = NEW.id AND resolved_at IS NULL;
  RETURN NULL;
END $$;
-- Whoever drops an edit (its source was deleted, its mirror too, a run undone, the merge turned off) ends what waits for it.
CREATE TRIGGER edit_dropped AFTER UPDATE OF edit ON event_mappings
  FOR EACH ROW WHEN (OLD.edit IS NOT NULL AND NEW.edit IS NULL) EXECUTE FUNCTION end_conflicts();

-- Runbook 004, "Clear failed events": FAILED set back to CREATED means "push it again", not "trust that it is there".
CREATE FUNCTION push_cleared_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE event_mappings
     SET lane = CASE WHEN requested > done THEN lane ELSE 1 END, requested = requested + 1, attempts = 0,
         next_attempt_at = NULL, last_error = NULL, reason = NULL, updated_at = now()
   WHERE id = NEW.booking_id AND state = 'open';
  RETURN NULL;
END $$;
CREATE TRIGGER push_cleared AFTER UPDATE OF sync_status ON external_calendar_events
  FOR EACH ROW WHEN (OLD.sync_status = 'FAILED' AND NEW.sync_status = 'CREATED' AND NEW.booking_id IS NOT NULL)
  EXECUTE FUNCTION push_cleared_event();

CREATE FUNCTION note_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.due_since = now();
  RETURN NEW;
END $$;
CREATE TRIGGER became_due BEFORE UPDATE OF requested ON event_mappings
  FOR EACH ROW WHEN (NEW.requested > NEW.done AND OLD.requested <= OLD.done) EXECUTE FUNCTION note_due();

CREATE TABLE orphans (
  calendar_id uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  event_id    text NOT NULL,
  user_id     uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  mapping_id  uuid NOT NULL,
  state       text NOT NULL CHECK (state IN ('waiting', 'approved', 'kept')),
  found_at    timestamptz NOT NULL,
  PRIMARY KEY (calendar_id, event_id)
);
COMMENT ON TABLE orphans IS 'Mirrors with a valid marker that no mapping knows: of a lost database, of a moment before a restore, or kept when their link was deleted.';
SELECT protect_tenant_table('orphans', 'user_id');

CREATE TABLE sync_journal (
  id                 uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id            uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  run_id             uuid REFERENCES sync_runs ON DELETE SET NULL,
  link_id            uuid REFERENCES links ON DELETE SET NULL,
  mapping_id         uuid NOT NULL,
  target_calendar_id uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  mirror_event_id    text NOT NULL,
  operation          text NOT NULL CHECK (operation IN ('insert', 'update', 'delete', 'write_occurrence', 'cancel_occurrence', 'decline', 'amend', 'withdraw')),
  occurrence         text,
  inverse            bytea,
  sent               bytea,
  outcome            text NOT NULL CHECK (outcome IN ('intended', 'accepted')),
  written_at         timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE sync_journal IS 'Every write to a provider, noted before it is sent, with its inverse: the mirror as it was before, sealed; null where there was none. Declines, amendments and withdrawals are written to the source; the inverse of an amendment holds the fields before and after, sealed under the source connection''s data key.';
COMMENT ON COLUMN sync_journal.sent IS 'The mirror as it was to be, sealed, where edits of it are merged: until the answer is known.';
COMMENT ON COLUMN sync_journal.outcome IS 'Intended: perhaps accepted, nobody heard the answer. What was refused leaves the journal.';
COMMENT ON COLUMN sync_journal.mirror_event_id IS 'Of an intended insert the mirror key, until the provider names the event.';
CREATE INDEX sync_journal_user ON sync_journal (user_id, id DESC);
CREATE INDEX sync_journal_mapping ON sync_journal (mapping_id, id DESC);
CREATE INDEX sync_journal_link ON sync_journal (link_id, id DESC);
CREATE INDEX sync_journal_run ON sync_journal (run_id, id);
CREATE INDEX sync_journal_written ON sync_journal (written_at);
SELECT protect_tenant_table('sync_journal', 'user_id');

CREATE TABLE undo_items (
  run_id     uuid NOT NULL REFERENCES sync_runs ON DELETE CASCADE,
  mapping_id uuid NOT NULL,
  user_id    uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  outcome    text NOT NULL CHECK (outcome IN ('waiting', 'done', 'refused')),
  parks      boolean NOT NULL DEFAULT false,
  at_source  boolean NOT NULL DEFAULT false,
  checked    boolean NOT NULL DEFAULT false,
  reason     text,
  PRIMARY KEY (run_id, mapping_id)
);
COMMENT ON TABLE undo_items IS 'What became of each mirror that a run of kind undo was to take back.';
COMMENT ON COLUMN undo_items.checked IS 'Nobody else had changed the mirror when writing began: what differs from then on may be our own write.';
COMMENT ON COLUMN undo_items.at_source IS 'An edit that had flowed back is taken back at the source, by source_writes; the mirror follows.';
COMMENT ON COLUMN undo_items.parks IS 'The mirror is to rest at what it is put back to: once its mapping is not undone any more, this was overtaken.';
CREATE INDEX undo_items_waiting ON undo_items (mapping_id) WHERE outcome = 'waiting';
SELECT protect_tenant_table('undo_items', 'user_id');

CREATE TABLE sync_plans (
  id                 uuid PRIMARY KEY,
  user_id            uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  action             text NOT NULL CHECK (action IN ('create', 'change', 'resync', 'delete', 'add', 'remove')),
  link_id            uuid,
  source_calendar_id uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  target_calendar_id uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  calendar_ids       uuid[],
  group_id           uuid,
  options            bytea NOT NULL,
  counts             jsonb NOT NULL,
  fingerprint        text NOT NULL,
  created_at         timestamptz NOT NULL,
  expires_at         timestamptz NOT NULL,
  applied_at         timestamptz
);
COMMENT ON TABLE sync_plans IS 'What somebody was shown before doing it: counts only, no event. Carried out by its id while the world is as it was.';
COMMENT ON COLUMN sync_plans.link_id IS 'Null until a new link is made, or a plan for a group carried out; it outlives a deleted one.';
COMMENT ON COLUMN sync_plans.calendar_ids IS 'Those of a group, with one that shall join, source and target being the first two, or the source the one that joins or leaves; null for a link by itself.';
COMMENT ON COLUMN sync_plans.group_id IS 'Null until a new group is made; it outlives a deleted one.';
COMMENT ON COLUMN sync_plans.options IS 'What the link shall be like, sealed under the source connection''s data key.';
COMMENT ON COLUMN sync_plans.fingerprint IS 'SHA-256 for each link over the links and groups around both calendars, the source''s events and the link''s mappings as they were.';
CREATE INDEX sync_plans_user ON sync_plans (user_id, expires_at);
SELECT protect_tenant_table('sync_plans', 'user_id');

CREATE TABLE event_times (
  user_id     uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  calendar_id uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  event_id    text NOT NULL,
  occurrence  text NOT NULL,
  starts_at   timestamptz NOT NULL,
  ends_at     timestamptz NOT NULL,
  all_day     boolean NOT NULL,
  ical_uid    text,
  PRIMARY KEY (calendar_id, event_id, occurrence, starts_at)
);
COMMENT ON TABLE event_times IS
  'When the person''s own events take time, series by their occurrences, from yesterday to a horizon; mirrors take none.
   What lasts longer than a day stands here in pieces of a day, so that what meets it lies in a short range.';
CREATE INDEX event_times_person ON event_times (user_id, starts_at);
SELECT protect_tenant_table('event_times', 'user_id');

CREATE TABLE double_bookings (
  id                 uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id            uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  first_calendar_id  uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  first_event_id     text NOT NULL,
  first_occurrence   text NOT NULL,
  second_calendar_id uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  second_event_id    text NOT NULL,
  second_occurrence  text NOT NULL,
  starts_at          timestamptz NOT NULL,
  ends_at            timestamptz NOT NULL,
  mixed              boolean NOT NULL,
  detected_at        timestamptz NOT NULL,
  ignored_at         timestamptz,
  resolved_at        timestamptz,
  UNIQUE (first_calendar_id, first_event_id, first_occurrence, second_calendar_id, second_event_id, second_occurrence)
);
COMMENT ON TABLE double_bookings IS 'Two events of a person that take the same time. Ignored once, ignored for good, also if it comes back.';
COMMENT ON COLUMN double_bookings.mixed IS 'One lasts whole days and the other does not.';
CREATE INDEX double_bookings_person ON double_bookings (user_id, starts_at, id) WHERE resolved_at IS NULL;
CREATE INDEX double_bookings_second ON double_bookings (second_calendar_id, second_event_id);
SELECT protect_tenant_table('double_bookings', 'user_id');

CREATE VIEW calendars_to_search WITH (security_invoker = true) AS
  SELECT s.calendar_id, s.user_id FROM calendar_sync_state s
   WHERE s.reconcile_since IS NOT NULL
     AND NOT EXISTS (
         SELECT FROM links l
           JOIN calendar_sync_state o
             ON o.calendar_id = s.calendar_id
                OR (l.target_calendar_id = s.calendar_id AND o.calendar_id = l.source_calendar_id)
          WHERE s.calendar_id IN (l.source_calendar_id, l.target_calendar_id)
            AND (o.needs_full_sync OR o.last_full_sync_at IS NULL OR o.last_full_sync_at < s.reconcile_since));
COMMENT ON VIEW calendars_to_search IS 'Calendars being reconciled of which everything has been read, and everything that feeds them: now a mirror that no mapping knows is an orphan.';
GRANT SELECT ON calendars_to_search TO kalends_runtime, kalends_operator;
