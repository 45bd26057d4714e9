CREATE TABLE feeds (
  id           uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id      uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  hint         text NOT NULL,
  token_hash   bytea NOT NULL UNIQUE,
  privacy      text NOT NULL DEFAULT 'busy' CHECK (privacy IN ('busy', 'title', 'full')),
  busy_title   text NOT NULL DEFAULT 'Busy' CHECK (length(busy_title) BETWEEN 1 AND 200),
  skip_all_day boolean NOT NULL DEFAULT false,
  skip_free    boolean NOT NULL DEFAULT true,
  days_ahead   integer DEFAULT 365 CHECK (days_ahead BETWEEN 1 AND 730),
  days_behind  integer NOT NULL DEFAULT 30 CHECK (days_behind BETWEEN 0 AND 365),
  content_hash bytea,
  changed_at   timestamptz,
  last_read_at timestamptz,
  created_at   timestamptz NOT NULL DEFAULT now(),
  rotated_at   timestamptz,
  revoked_at   timestamptz
);
COMMENT ON TABLE feeds IS 'Calendars published at an address that only whoever has it can guess; nothing of their content is kept here.';
COMMENT ON COLUMN feeds.hint IS 'The token''s beginning, by which its owner recognises the address.';
COMMENT ON COLUMN feeds.changed_at IS 'When readers were first given the content of content_hash: Last-Modified.';
CREATE INDEX feeds_user ON feeds (user_id);
SELECT protect_tenant_table('feeds', 'user_id');

CREATE TABLE feed_calendars (
  feed_id     uuid NOT NULL REFERENCES feeds ON DELETE CASCADE,
  calendar_id uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  user_id     uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  PRIMARY KEY (feed_id, calendar_id)
);
CREATE INDEX feed_calendars_calendar ON feed_calendars (calendar_id);
SELECT protect_tenant_table('feed_calendars', 'user_id');

-- Nobody reads the others: a calendar is read for the links that it stands in, and for the feeds that show it.
CREATE VIEW calendars_in_use WITH (security_invoker = true) AS
  SELECT source_calendar_id AS calendar_id FROM links
  UNION ALL
  SELECT target_calendar_id FROM links
  UNION ALL
  SELECT p.calendar_id FROM feed_calendars p JOIN feeds f ON f.id = p.feed_id WHERE f.revoked_at IS NULL;

-- What waits to be read; when the account may be asked, whoever asks says: backoff_until.
CREATE VIEW pulls_due WITH (security_invoker = true) AS
  SELECT s.calendar_id, s.user_id, CASE WHEN s.needs_full_sync THEN s.read_lane ELSE 0 END AS lane,
         s.last_synced_at, s.pull_queued_at, x.backoff_until
    FROM calendar_sync_state s JOIN external_calendar_connections x ON x.id = s.connection_id
   WHERE s.requested > s.done AND x.sync_enabled AND x.status IN ('pending', 'active', 'error')
     AND EXISTS (SELECT FROM calendars_in_use u WHERE u.calendar_id = s.calendar_id);
GRANT SELECT ON calendars_in_use, pulls_due TO kalends_runtime, kalends_operator;
