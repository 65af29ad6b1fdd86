-- The only two ways by which anything leaves the evidence, owned by the remover, who cannot log in (CONTRACT.md §4 and §11).
--
-- What they can know: a leaf of `control` exists, hashes to what its row says, was written by Sworn (only the recorder's role may insert
-- there) and lies below a stored checkpoint. What they cannot: verify that checkpoint's signature. The checks outside do (V1, V3, V5); a
-- removal under a forged row is a finding there. Members of the leaves that count here:
--   ERASURE              keys: [uuid, …]               the data keys that are destroyed
--   RETENTION            of: <log>, below: <leaf index>  the prefix that may go
--   HOLD, HOLD_RELEASED  hold: <id>                    while one is open, nothing of the tenant is removed (coarser than the contract: a
--                                                      held leaf need not block the others)

grant select on sworn.leaf, sworn.control_records, sworn.checkpoint, sworn.data_key, sworn.directory to :"remover";
grant update (body), delete on sworn.leaf to :"remover";
grant delete on sworn.llm_run_records, sworn.run_members, sworn.resources, sworn.access_records, sworn.control_records to :"remover";
grant select (tenant_id, log, leaf_index) on sworn.llm_run_records, sworn.run_members, sworn.resources, sworn.access_records to :"remover";
grant delete on sworn.data_key, sworn.directory to :"remover";
grant create on schema sworn to :"remover";
set local role :"remover";

create function sworn.proven_control(of_tenant uuid, of_kind text) returns setof jsonb
  language sql stable set search_path = pg_catalog, pg_temp as $$
  select convert_from(l.leaf, 'UTF8')::jsonb
    from sworn.control_records c
    join sworn.leaf l on l.tenant_id = c.tenant_id and l.log = c.log and l.leaf_index = c.leaf_index
   where c.tenant_id = of_tenant and c.kind = of_kind and l.kind = of_kind
     and split_part(l.log, '.', 1) = 'control'
     and l.leaf_hash = sha256('\x00'::bytea || l.leaf)
     and convert_from(l.leaf, 'UTF8')::jsonb ->> 'kind' = of_kind
     and convert_from(l.leaf, 'UTF8')::jsonb ->> 'by' = 'sworn'
     and exists (select from sworn.checkpoint p where p.tenant_id = l.tenant_id and p.log = l.log and p.size > l.leaf_index)
$$;

create function sworn.refuse_held(of_tenant uuid) returns void
  language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  -- A hold counts as soon as its leaf is there; its release only once proven.
  if exists (
    select from sworn.control_records c
      join sworn.leaf l on l.tenant_id = c.tenant_id and l.log = c.log and l.leaf_index = c.leaf_index
     where c.tenant_id = of_tenant and c.kind = 'HOLD'
       and not exists (
         select from sworn.proven_control(of_tenant, 'HOLD_RELEASED') released
          where released ->> 'hold' = convert_from(l.leaf, 'UTF8')::jsonb ->> 'hold'))
  then
    raise exception 'a hold is open' using errcode = 'SW004';
  end if;
end
$$;

-- Destroys the data keys, directory entries and bodies of the named leaves of one log; the leaves stay. Every one of them must be under a
-- key that a proven ERASURE leaf names. Returns how many bodies went. At most 10,000 leaves a call.
create function sworn.erase(of_tenant uuid, of_log text, indexes bigint[]) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  keys uuid[];
  erased bigint;
begin
  if of_tenant is distinct from nullif(current_setting('sworn.tenant', true), '')::uuid or of_tenant is null then
    raise exception 'erase: another tenant than the transaction''s' using errcode = 'SW002';
  end if;
  if cardinality(indexes) > 10000 then
    raise exception 'erase: more than 10000 leaves at once' using errcode = 'SW005';
  end if;
  perform sworn.refuse_held(of_tenant);
  select array_agg(distinct key::uuid) into keys
    from sworn.proven_control(of_tenant, 'ERASURE') erasure, jsonb_array_elements_text(erasure -> 'keys') key;
  if exists (
    select from sworn.leaf
     where tenant_id = of_tenant and log = of_log and leaf_index = any (indexes) and dk is not null
       and not dk = any (coalesce(keys, '{}')))
  then
    raise exception 'erase: no proven ERASURE leaf names the key' using errcode = 'SW003';
  end if;
  delete from sworn.directory d using sworn.leaf l
   where l.tenant_id = of_tenant and l.log = of_log and l.leaf_index = any (indexes) and d.tenant_id = of_tenant and d.dk = l.dk;
  delete from sworn.data_key k using sworn.leaf l
   where l.tenant_id = of_tenant and l.log = of_log and l.leaf_index = any (indexes) and k.tenant_id = of_tenant and k.dk = l.dk;
  update sworn.leaf set body = null
   where tenant_id = of_tenant and log = of_log and leaf_index = any (indexes) and body is not null;
  get diagnostics erased = row_count;
  return erased;
end
$$;

-- Removes the oldest leaves of one log, with bodies and projections, up to `below` and at most `chunk` (1 to 10,000) a call; never tiles,
-- authenticators or checkpoints. A proven RETENTION leaf must allow at least that much. Floors: 183 days for llm-runs and system (7 days
-- for a synthetic tenant), 396 days for access; audit and control are never removed. Returns how many leaves went; 0: done.
create function sworn.retain(of_tenant uuid, of_log text, below bigint, chunk integer) returns bigint
  language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  topic constant text := split_part(of_log, '.', 1);
  floor interval;
  upto bigint;
  removed bigint;
begin
  if of_tenant is distinct from nullif(current_setting('sworn.tenant', true), '')::uuid or of_tenant is null then
    raise exception 'retain: another tenant than the transaction''s' using errcode = 'SW002';
  end if;
  if chunk is null or chunk not between 1 and 10000 then
    raise exception 'retain: a chunk is 1 to 10000 leaves' using errcode = 'SW005';
  end if;
  perform sworn.refuse_held(of_tenant);
  if topic in ('llm-runs', 'system') then
    select case when synthetic then interval '7 days' else interval '183 days' end into floor from sworn.tenant where tenant_id = of_tenant;
  elsif topic = 'access' then
    floor := interval '396 days';
  end if;
  if floor is null then
    raise exception 'retain: this log is never removed' using errcode = 'SW006';
  end if;
  if not exists (
    select from sworn.proven_control(of_tenant, 'RETENTION') allowed
     where allowed ->> 'of' = of_log and (allowed ->> 'below')::bigint >= below)
  then
    raise exception 'retain: no proven RETENTION leaf allows it' using errcode = 'SW003';
  end if;
  -- recorded_at never goes back within a log (V7), so the newest leaf of the prefix speaks for all of it.
  if (select recorded_at from sworn.leaf where tenant_id = of_tenant and log = of_log and leaf_index < below order by leaf_index desc limit 1)
     > clock_timestamp() - floor
  then
    raise exception 'retain: younger than the floor' using errcode = 'SW006';
  end if;
  select max(leaf_index) + 1 into upto from (
    select leaf_index from sworn.leaf where tenant_id = of_tenant and log = of_log and leaf_index < below order by leaf_index limit chunk) oldest;
  if upto is null then
    return 0;
  end if;
  delete from sworn.llm_run_records where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.run_members where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.resources where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.access_records where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  delete from sworn.leaf where tenant_id = of_tenant and log = of_log and leaf_index < upto;
  get diagnostics removed = row_count;
  return removed;
end
$$;

revoke execute on function sworn.proven_control(uuid, text), sworn.refuse_held(uuid), sworn.erase(uuid, text, bigint[]),
  sworn.retain(uuid, text, bigint, integer) from public;
grant execute on function sworn.erase(uuid, text, bigint[]), sworn.retain(uuid, text, bigint, integer) to :"recorder";
set local role :"owner";
revoke create on schema sworn from :"remover";
