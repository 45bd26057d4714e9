CREATE TABLE oauth_apps (
  id         uuid PRIMARY KEY DEFAULT uuidv7(),
  provider   text NOT NULL CHECK (provider IN ('google', 'microsoft')),
  client_id  text NOT NULL,
  tenant     text NOT NULL DEFAULT 'common',
  is_default boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (provider, client_id)
);
CREATE UNIQUE INDEX oauth_apps_default ON oauth_apps (provider) WHERE is_default;
COMMENT ON TABLE oauth_apps IS 'Our registrations at the providers; their secrets stand in Secrets Manager. Settings define the default one.';
GRANT SELECT, INSERT, UPDATE ON oauth_apps TO kalends_runtime, kalends_operator;

CREATE TABLE external_calendar_connections (
  id                       uuid PRIMARY KEY DEFAULT uuidv7(),
  provider_id              uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  provider                 text NOT NULL CHECK (provider IN ('google', 'microsoft', 'caldav', 'ics')),
  provider_user_id         text NOT NULL,
  provider_calendar_id     text,
  provider_email           text NOT NULL,
  oauth_app_id             uuid REFERENCES oauth_apps,
  server_address           text,
  status                   text NOT NULL DEFAULT 'pending'
                           CHECK (status IN ('pending', 'active', 'error', 'needs_reauth', 'disabled', 'disconnected')),
  data_key_enc             bytea,
  key_id                   text,
  access_token_enc         bytea,
  refresh_token_enc        bytea,
  token_expiry             timestamptz,
  granted_at               timestamptz,
  grant_ends_at            timestamptz,
  scopes                   text[] NOT NULL DEFAULT '{}',
  sync_enabled             boolean NOT NULL DEFAULT true,
  sync_cursor              text,
  sync_token               text,
  last_synced_at           timestamptz,
  last_attempt_at          timestamptz,
  last_discovered_at       timestamptz,
  error_count              integer NOT NULL DEFAULT 0,
  last_error               text CHECK (last_error IS JSON),
  backoff_until            timestamptz,
  sync_needed              boolean NOT NULL DEFAULT false,
  last_webhook_received_at timestamptz,
  webhook_dedupe_keys      jsonb NOT NULL DEFAULT '[]',
  sync_from_date           date,
  sync_frequency_minutes   integer NOT NULL DEFAULT 5 CHECK (sync_frequency_minutes BETWEEN 1 AND 1440),
  version                  integer NOT NULL DEFAULT 1,
  created_at               timestamptz NOT NULL DEFAULT now(),
  updated_at               timestamptz NOT NULL DEFAULT now(),
  UNIQUE (provider_id, provider, provider_user_id),
  CHECK ((provider IN ('google', 'microsoft')) = (oauth_app_id IS NOT NULL)),
  CHECK (provider <> 'caldav' OR server_address IS NOT NULL)
);
COMMENT ON TABLE external_calendar_connections IS
  'One account at one provider. provider_id is the person. sync_cursor and sync_needed sum up its calendars; setting sync_cursor to NULL resets them all.';
COMMENT ON COLUMN external_calendar_connections.server_address IS 'Where accounts without OAuth live; their user name and app password are sealed in access_token_enc.';
COMMENT ON COLUMN external_calendar_connections.grant_ends_at IS 'When the refresh token ends, if the provider said so: seven days after granted_at means Google''s Testing mode.';
COMMENT ON COLUMN external_calendar_connections.last_error IS 'JSON: {"code", "message", ...}; no secrets, no event text.';
CREATE INDEX external_calendar_connections_token_expiry ON external_calendar_connections (token_expiry)
  WHERE status IN ('active', 'error');
SELECT protect_tenant_table('external_calendar_connections', 'provider_id');

CREATE TABLE oauth_states (
  state_hash        bytea PRIMARY KEY,
  user_id           uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  session_hash      bytea,
  provider          text NOT NULL,
  oauth_app_id      uuid NOT NULL REFERENCES oauth_apps,
  code_verifier_enc bytea NOT NULL,
  redirect_uri      text NOT NULL,
  created_at        timestamptz NOT NULL DEFAULT now(),
  expires_at        timestamptz NOT NULL,
  used_at           timestamptz
);
COMMENT ON TABLE oauth_states IS 'Started authorizations: single use, ten minutes, bound to the session that started them.';
COMMENT ON COLUMN oauth_states.session_hash IS 'Null: started with an API token, so any sign-in of the same person may finish it.';
SELECT protect_tenant_table('oauth_states', 'user_id');

CREATE TABLE calendars (
  id                uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id           uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  connection_id     uuid NOT NULL REFERENCES external_calendar_connections ON DELETE CASCADE,
  calendar_id       text NOT NULL,
  name              text NOT NULL,
  time_zone         text NOT NULL,
  color             text,
  can_write         boolean NOT NULL,
  is_primary        boolean NOT NULL DEFAULT false,
  readers           text[],
  supports_push     boolean NOT NULL DEFAULT true,
  vanished_at       timestamptz,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  UNIQUE (connection_id, calendar_id)
);
COMMENT ON COLUMN calendars.readers IS 'Who else sees more there than when somebody is busy, as the provider names them; null: it does not tell.';
CREATE INDEX calendars_user ON calendars (user_id);
SELECT protect_tenant_table('calendars', 'user_id');

CREATE TABLE calendar_sync_state (
  calendar_id      uuid PRIMARY KEY REFERENCES calendars ON DELETE CASCADE,
  user_id          uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  connection_id    uuid NOT NULL REFERENCES external_calendar_connections ON DELETE CASCADE,
  sync_token       text,
  next_sync_token  text,
  page_token       text,
  round_requested  bigint,
  unfinished       text[] NOT NULL DEFAULT '{}',
  needs_full_sync  boolean NOT NULL DEFAULT true,
  read_lane        smallint NOT NULL DEFAULT 2,
  generation       bigint NOT NULL DEFAULT 1,
  window_start     timestamptz,
  window_end       timestamptz,
  requested        bigint NOT NULL DEFAULT 0,
  done             bigint NOT NULL DEFAULT 0,
  pull_queued_at   timestamptz,
  push_queued_at   timestamptz,
  last_synced_at   timestamptz,
  last_full_sync_at timestamptz,
  times_until      timestamptz,
  reconcile_since  timestamptz,
  sync_errors      integer NOT NULL DEFAULT 0,
  last_error       text
);
COMMENT ON COLUMN calendar_sync_state.next_sync_token IS 'Of a full read: takes the place of sync_token once that has told all it has to tell, also outside the window of the full read.';
COMMENT ON COLUMN calendar_sync_state.requested IS 'Rises with each reason to look; a pull that began at n sets done to n, so none is forgotten.';
COMMENT ON COLUMN calendar_sync_state.read_lane IS 'The lane of the full read that is needed: 1 if it puts right what was read already, 2 for a first one.';
COMMENT ON COLUMN calendar_sync_state.unfinished IS 'Events of which pages tell too little, such as a series and an occurrence that do not fit together: asked for by name with the last page.';
COMMENT ON COLUMN calendar_sync_state.round_requested IS 'What was requested when the first page of the reading under way began: its last page answers no more.';
COMMENT ON COLUMN calendar_sync_state.times_until IS 'Until when event_times tells of its series; moved on daily.';
COMMENT ON COLUMN calendar_sync_state.reconcile_since IS 'The database may know less than the calendar since then: our mirrors in it are looked up by their markers, once everything that is linked to it has been read.';
COMMENT ON COLUMN calendar_sync_state.generation IS 'Rises with each reset: a pull that began in an older generation may not save.';
CREATE INDEX calendar_sync_state_due ON calendar_sync_state (calendar_id) WHERE requested > done;
CREATE INDEX calendar_sync_state_connection ON calendar_sync_state (connection_id);
SELECT protect_tenant_table('calendar_sync_state', 'user_id');

-- The connection's sync_cursor and sync_needed are roll-ups of its calendars (runbook 004 reads and writes them).
CREATE FUNCTION roll_up_sync_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE external_calendar_connections c
     SET sync_needed = s.needed, sync_cursor = s.cursor
    FROM (SELECT bool_or(requested > done) AS needed, md5(string_agg(sync_token, ' ' ORDER BY calendar_id)) AS cursor
            FROM calendar_sync_state WHERE connection_id = NEW.connection_id) s
   WHERE c.id = NEW.connection_id
     AND (c.sync_needed, c.sync_cursor) IS DISTINCT FROM (s.needed, s.cursor);
  RETURN NULL;
END $$;
CREATE TRIGGER roll_up AFTER INSERT OR UPDATE OF requested, done, sync_token ON calendar_sync_state
  FOR EACH ROW EXECUTE FUNCTION roll_up_sync_state();

-- Runbook 004, "Reset sync state": an operator sets sync_cursor to NULL and every calendar is read in full, once.
-- A look is asked for only at calendars in use: nobody reads the others, and sync_needed would stay set for ever.
CREATE FUNCTION reset_sync_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE calendar_sync_state s
     SET sync_token = NULL, next_sync_token = NULL, page_token = NULL, round_requested = NULL, needs_full_sync = true,
         read_lane = CASE WHEN needs_full_sync THEN read_lane ELSE 1 END,
         generation = generation + 1, requested = requested + CASE WHEN EXISTS (
           SELECT FROM calendars_in_use u WHERE u.calendar_id = s.calendar_id) THEN 1 ELSE 0 END,
         sync_errors = 0, last_error = NULL, pull_queued_at = NULL
   WHERE connection_id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER reset_sync_state AFTER UPDATE OF sync_cursor ON external_calendar_connections
  FOR EACH ROW WHEN (NEW.sync_cursor IS NULL AND pg_trigger_depth() = 0) EXECUTE FUNCTION reset_sync_state();

CREATE TABLE webhook_channels (
  id                uuid PRIMARY KEY DEFAULT uuidv7(),
  user_id           uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  connection_id     uuid NOT NULL REFERENCES external_calendar_connections ON DELETE CASCADE,
  calendar_id       uuid NOT NULL REFERENCES calendars ON DELETE CASCADE,
  provider          text NOT NULL,
  channel_id        text NOT NULL,
  resource_id       text NOT NULL DEFAULT '',
  address           text NOT NULL,
  token_hash        bytea NOT NULL,
  status            text NOT NULL
                    CHECK (status IN ('pending', 'active', 'silent', 'expiring', 'expired', 'stopped', 'failed')),
  expires_at        timestamptz NOT NULL,
  created_at        timestamptz NOT NULL DEFAULT now(),
  last_notified_at  timestamptz,
  last_message_number bigint,
  listens_from      timestamptz,
  unanswered_since  timestamptz,
  attempts          integer NOT NULL DEFAULT 0,
  retry_at          timestamptz,
  last_error        text,
  UNIQUE (provider, channel_id)
);
COMMENT ON COLUMN webhook_channels.listens_from IS 'Changes from then on are to be announced.';
COMMENT ON COLUMN webhook_channels.unanswered_since IS 'Since when a change is known that should have been announced and was not; a channel that stays mute is silent.';
COMMENT ON COLUMN webhook_channels.retry_at IS 'Of a failed one: no other is tried before. last_error holds the code of the refusal.';
COMMENT ON COLUMN webhook_channels.address IS 'Where the provider was asked to post to. A channel that leads where we no longer are is worth nothing.';
CREATE INDEX webhook_channels_calendar ON webhook_channels (calendar_id) WHERE status NOT IN ('expired', 'stopped');
CREATE INDEX webhook_channels_doubted ON webhook_channels (unanswered_since)
  WHERE status = 'active' AND unanswered_since IS NOT NULL;
CREATE INDEX webhook_channels_expiry ON webhook_channels (expires_at) WHERE status IN ('active', 'expiring');
SELECT protect_tenant_table('webhook_channels', 'user_id');

CREATE TABLE webhook_deliveries (
  channel_id     uuid NOT NULL REFERENCES webhook_channels ON DELETE CASCADE,
  user_id        uuid NOT NULL REFERENCES profiles ON DELETE CASCADE,
  message_number bigint NOT NULL,
  received_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (channel_id, message_number)
);
CREATE INDEX webhook_deliveries_received ON webhook_deliveries (received_at);
SELECT protect_tenant_table('webhook_deliveries', 'user_id');
