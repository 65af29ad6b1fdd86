-- The walls: row-level security, privileges, triggers (CONTRACT.md §4).

-- Row-level security: every table, forced, so that it binds the owner too. The setting is per transaction; after it ended it reads '',
-- which is no UUID, so the policies say nullif.
do $walls$
declare
  of_table text;
begin
  foreach of_table in array array['leaf', 'tile', 'batch_authenticator', 'checkpoint', 'llm_run_records', 'run_members', 'resources',
    'access_records', 'control_records', 'tenant', 'api_key', 'log_head', 'open_run', 'seal_cursor', 'data_key', 'directory']
  loop
    execute format('alter table sworn.%I enable row level security', of_table);
    execute format('alter table sworn.%I force row level security', of_table);
    execute format($policy$
      create policy tenant_wall on sworn.%I
       using (tenant_id = nullif(current_setting('sworn.tenant', true), '')::uuid)
        with check (tenant_id = nullif(current_setting('sworn.tenant', true), '')::uuid)$policy$, of_table);
    execute format('create policy checker_reads_all on sworn.%I for select to %I using (true)', of_table, :'checker');
  end loop;
  foreach of_table in array array['deployment', 'lease', 'migration'] loop
    execute format('alter table sworn.%I enable row level security', of_table);
    execute format('alter table sworn.%I force row level security', of_table);
    execute format('create policy no_tenant on sworn.%I using (true) with check (true)', of_table);
  end loop;
end
$walls$;
-- Those who go round all tenants must be able to list them.
create policy tenants_listed on sworn.tenant for select to :"writer", :"recorder", :"signer" using (true);

-- Privileges. Nobody who logs in holds UPDATE, DELETE or TRUNCATE on evidence.
grant usage on schema sworn to :"writer", :"recorder", :"signer", :"reader", :"checker", :"remover";
grant select on sworn.deployment, sworn.migration to :"writer", :"recorder", :"signer", :"reader", :"checker";
grant select on sworn.tenant to :"writer", :"recorder", :"signer", :"reader", :"checker", :"remover";
grant select, insert, update, delete on sworn.lease to :"writer", :"recorder", :"signer";

grant insert on sworn.leaf, sworn.tile, sworn.batch_authenticator, sworn.llm_run_records, sworn.run_members, sworn.resources to :"writer";
grant insert on sworn.leaf, sworn.tile, sworn.batch_authenticator, sworn.resources, sworn.access_records, sworn.control_records to :"recorder";
-- Identity only: neither may read a leaf or a body.
grant select (tenant_id, log, leaf_index, kind, leaf_hash, event_key, trace_id, recorded_at, digest) on sworn.leaf to :"writer", :"recorder";
grant select on sworn.tile, sworn.log_head to :"writer", :"recorder";
grant update (next_index, frontier, root, last_recorded_at) on sworn.log_head to :"writer", :"recorder";
grant select, insert on sworn.data_key, sworn.directory to :"writer", :"recorder";
grant select, insert, update, delete on sworn.open_run, sworn.seal_cursor to :"writer";

grant insert on sworn.deployment, sworn.tenant, sworn.api_key, sworn.log_head to :"recorder";
grant select on sworn.api_key to :"recorder";
grant update (control_index) on sworn.tenant to :"recorder";
grant update (revoked_at) on sworn.api_key to :"recorder";
grant update (closed) on sworn.log_head to :"recorder";
grant update (epoch, wrapped) on sworn.data_key to :"recorder";

grant select, insert on sworn.checkpoint to :"signer";
grant select on sworn.batch_authenticator, sworn.log_head to :"signer";

grant select on sworn.leaf, sworn.tile, sworn.batch_authenticator, sworn.checkpoint, sworn.llm_run_records, sworn.run_members, sworn.resources,
  sworn.access_records, sworn.control_records, sworn.api_key, sworn.log_head, sworn.open_run, sworn.seal_cursor, sworn.data_key, sworn.directory
  to :"reader", :"checker";
grant select on sworn.lease to :"checker";

-- Triggers. All raise SQLSTATE class SW and name no value of any row.

-- UPDATE and DELETE: only inside the two functions of the remover, a DELETE where the trigger says so and an UPDATE of a body to null.
create function sworn.refuse_change() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if current_user = :'remover' and tg_nargs > 0 then
    if tg_op = 'DELETE' then
      return old;
    end if;
    if tg_table_name = 'leaf' then
      old.body := null;
      if new is not distinct from old then
        return new;
      end if;
    end if;
  end if;
  raise exception '% is append-only: % refused', tg_table_name, tg_op using errcode = 'SW001';
end
$$;

create function sworn.refuse_truncate() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '% is append-only: TRUNCATE refused', tg_table_name using errcode = 'SW001';
end
$$;

create function sworn.refuse_row() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '%: %', tg_table_name, tg_argv[0] using errcode = 'SW002';
end
$$;

-- The recorder writes `access` and `control`, and `system` only for the platform.
create function sworn.refuse_recorder() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if split_part(new.log, '.', 1) = 'system' and exists (select from sworn.deployment where platform_tenant = new.tenant_id) then
    return null;
  end if;
  raise exception '%: the recorder writes access, control and the platform''s system', tg_table_name using errcode = 'SW002';
end
$$;

do $triggers$
declare
  of_table text;
begin
  foreach of_table in array array['leaf', 'llm_run_records', 'run_members', 'resources', 'access_records', 'control_records'] loop
    execute format('create trigger append_only before update or delete on sworn.%I for each row execute function sworn.refuse_change(''removable'')', of_table);
  end loop;
  foreach of_table in array array['tile', 'batch_authenticator', 'checkpoint'] loop
    execute format('create trigger append_only before update or delete on sworn.%I for each row execute function sworn.refuse_change()', of_table);
  end loop;
  foreach of_table in array array['leaf', 'tile', 'batch_authenticator', 'checkpoint', 'llm_run_records', 'run_members', 'resources',
    'access_records', 'control_records']
  loop
    execute format('create trigger no_truncate before truncate on sworn.%I for each statement execute function sworn.refuse_truncate()', of_table);
  end loop;
  -- Where a role holds BYPASSRLS, for COPY, this holds the tenant in place of the policy. AFTER, because a BEFORE row trigger would
  -- make COPY insert row by row; WHEN, because it is then evaluated without calling anything.
  foreach of_table in array array['leaf', 'tile', 'batch_authenticator', 'checkpoint', 'llm_run_records', 'run_members', 'resources',
    'access_records', 'control_records', 'tenant', 'api_key', 'log_head', 'open_run', 'seal_cursor', 'data_key', 'directory']
  loop
    execute format($trigger$
      create trigger tenant_wall after insert or update on sworn.%I for each row
        when (new.tenant_id is distinct from nullif(current_setting('sworn.tenant', true), '')::uuid)
        execute function sworn.refuse_row('the row is of another tenant than the transaction')$trigger$, of_table);
  end loop;
  foreach of_table in array array['leaf', 'tile', 'batch_authenticator'] loop
    execute format($trigger$
      create trigger own_logs after insert on sworn.%I for each row
        when (split_part(new.log, '.', 1) in ('access', 'control') and current_user <> %L)
        execute function sworn.refuse_row('access and control are written by the recorder alone')$trigger$, of_table, :'recorder');
    execute format($trigger$
      create trigger other_logs after insert on sworn.%I for each row
        when (split_part(new.log, '.', 1) not in ('access', 'control') and current_user = %L)
        execute function sworn.refuse_recorder()$trigger$, of_table, :'recorder');
  end loop;
  foreach of_table in array array['access_records', 'control_records'] loop
    execute format($trigger$
      create trigger own_logs after insert on sworn.%I for each row
        when (current_user <> %L)
        execute function sworn.refuse_row('written by the recorder alone')$trigger$, of_table, :'recorder');
  end loop;
end
$triggers$;
revoke execute on all functions in schema sworn from public;
