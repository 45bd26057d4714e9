-- What the simulation adds to a migrated database: virtual time, ids in sequence, and a log for the oracle.
-- now() and uuidv7() are found here before PostgreSQL's own, so the product's statements run as they are.
-- The log is written by triggers: it holds exactly what was committed, whoever was killed meanwhile.
CREATE SCHEMA simulation;
CREATE SEQUENCE simulation.ids;  -- the seed, shifted by 24 bits, and a number

CREATE FUNCTION simulation.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT pg_catalog.current_setting('simulation.now')::timestamptz
$$;

CREATE FUNCTION simulation.uuidv7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT (lpad(to_hex(n >> 24), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n & 16777215), 12, '0'))::uuid
    FROM nextval('simulation.ids') AS n
$$;

CREATE TABLE simulation.log (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at     timestamptz NOT NULL,
  what   text NOT NULL,
  was    jsonb,
  "is"   jsonb
);

CREATE FUNCTION simulation.note_link() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO simulation.log (at, what, was, "is")
  VALUES (simulation.now(), 'link', CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
          CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON public.links
  FOR EACH ROW EXECUTE FUNCTION simulation.note_link();

CREATE FUNCTION simulation.note_mapping() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO simulation.log (at, what, was, "is")
  VALUES (simulation.now(), 'mapping', CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD.state) END,
          jsonb_build_object('id', NEW.id, 'link', NEW.link_id, 'source', NEW.source_event_id,
                             'state', NEW.state, 'wanted', NEW.wanted));
  RETURN NULL;
END $$;
CREATE TRIGGER note_new AFTER INSERT ON public.event_mappings
  FOR EACH ROW EXECUTE FUNCTION simulation.note_mapping();
CREATE TRIGGER note_changed AFTER UPDATE OF state, wanted ON public.event_mappings
  FOR EACH ROW WHEN (OLD.state <> NEW.state OR OLD.wanted <> NEW.wanted) EXECUTE FUNCTION simulation.note_mapping();

-- What is about to be sent was rendered in the transaction that says so.
CREATE FUNCTION simulation.note_intent() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO simulation.log (at, what, "is")
  VALUES (simulation.now(), 'intended',
          jsonb_build_object('mapping', NEW.mapping_id, 'by', current_setting('simulation.actor', true)));
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT ON public.sync_journal
  FOR EACH ROW EXECUTE FUNCTION simulation.note_intent();

-- The person has had mirrors removed that no mapping knows.
CREATE FUNCTION simulation.note_purge() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO simulation.log (at, what, "is")
  VALUES (simulation.now(), 'purged', jsonb_build_object('mapping', NEW.mapping_id));
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER UPDATE OF state ON public.orphans
  FOR EACH ROW WHEN (OLD.state = 'waiting' AND NEW.state = 'approved') EXECUTE FUNCTION simulation.note_purge();

CREATE FUNCTION simulation.note_writer() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO simulation.log (at, what, "is")
  VALUES (simulation.now(), TG_ARGV[0], (CASE TG_ARGV[0]
    WHEN 'lease' THEN jsonb_build_object('resource', to_jsonb(NEW) -> 'resource', 'holder', to_jsonb(NEW) -> 'holder',
      'until', CASE WHEN (to_jsonb(NEW) ->> 'until') = '-infinity' THEN NULL ELSE to_jsonb(NEW) -> 'until' END)
    WHEN 'written' THEN jsonb_build_object('mapping', to_jsonb(NEW) -> 'id',
      'merges', (to_jsonb(NEW) ->> 'edit') IS NOT NULL, 'resource',
      CASE WHEN current_setting('simulation.actor', true) LIKE 'pull%'  -- an edit was merged
           THEN 'pull:' || (to_jsonb(NEW) ->> 'source_calendar_id')
           ELSE 'push:' || (to_jsonb(NEW) ->> 'target_calendar_id') END)
    WHEN 'read' THEN jsonb_build_object('resource', 'pull:' || (to_jsonb(NEW) ->> 'calendar_id'))
    END) || jsonb_build_object('by', current_setting('simulation.actor', true)));
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON public.leases
  FOR EACH ROW EXECUTE FUNCTION simulation.note_writer('lease');
CREATE TRIGGER note_written AFTER UPDATE OF base ON public.event_mappings
  FOR EACH ROW WHEN (NEW.base IS NOT NULL) EXECUTE FUNCTION simulation.note_writer('written');
CREATE TRIGGER note_read AFTER UPDATE OF page_token, sync_token, next_sync_token ON public.calendar_sync_state
  FOR EACH ROW WHEN ((NEW.page_token IS NOT NULL AND NEW.page_token IS DISTINCT FROM OLD.page_token)
                     OR (NEW.sync_token IS NOT NULL AND NEW.sync_token IS DISTINCT FROM OLD.sync_token)
                     OR (NEW.next_sync_token IS NOT NULL AND NEW.next_sync_token IS DISTINCT FROM OLD.next_sync_token))
  EXECUTE FUNCTION simulation.note_writer('read');

-- A restore is silent: afterwards the log says anew what links and mappings there are.
CREATE FUNCTION simulation.note_restore(moment timestamptz) RETURNS void LANGUAGE sql AS $$
  INSERT INTO simulation.log (at, what, "is")
  SELECT moment, 'restored', jsonb_build_object('links', coalesce(jsonb_agg(id), '[]')) FROM public.links;
  INSERT INTO simulation.log (at, what, was, "is")
  SELECT moment, 'link', NULL, to_jsonb(l) FROM public.links l ORDER BY id;
  INSERT INTO simulation.log (at, what, was, "is")
  SELECT moment, 'mapping', to_jsonb(state),
         jsonb_build_object('id', id, 'link', link_id, 'source', source_event_id, 'state', state, 'wanted', wanted)
    FROM public.event_mappings ORDER BY id;
$$;

GRANT USAGE ON SCHEMA simulation TO PUBLIC;
GRANT USAGE ON SEQUENCE simulation.ids TO PUBLIC;

DO $$
DECLARE one record;
BEGIN
  FOR one IN
    SELECT table_name, column_name, column_default FROM information_schema.columns
     WHERE table_schema = 'public' AND column_default ~ '^(now|uuidv7)\(\)$'
  LOOP
    EXECUTE format('ALTER TABLE public.%I ALTER COLUMN %I SET DEFAULT simulation.%s', one.table_name, one.column_name,
                   one.column_default);
  END LOOP;
END $$;
