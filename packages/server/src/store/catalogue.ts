import type pg from 'pg';
import { ALL_ROLES } from './roles.js';

/**
 * What the catalogue says of the schema, the same text for the same schema on every supported PostgreSQL: tables, keys, indexes, policies,
 * triggers, function sources, owners and grants, and the roles with their settings. `sql/schema.sql` is this text for the prefix `sworn`;
 * check V11 compares the two. Not said: BYPASSRLS, which depends on what the server lets us give, and an owner's rights to its own things,
 * which differ by version.
 */
export async function describeSchema(client: Pick<pg.ClientBase, 'query'>, rolePrefix: string): Promise<string> {
  const { rows } = await client.query<{ line: string }>(CATALOGUE, [ALL_ROLES.map((role) => `${rolePrefix}_${role}`)]);
  const named = rows.map((row) => row.line.trimEnd()).join('\n');
  return `${HEADER}${named.replaceAll(new RegExp(`\\b${rolePrefix}_(${ALL_ROLES.join('|')})\\b`, 'g'), 'sworn_$1')}\n`;
}

const HEADER = '-- Generated from the catalogue (store/catalogue.ts); to be read and compared, not run.\n';

/** Sections in order, each line with a key to sort by. `"C"` collation: the order must not depend on the server's locale. */
const CATALOGUE = `
with grants (kind, object, line) as (
  select 'schema', n.nspname::text, format('grant %s on schema %I to %s', lower(a.privilege_type), n.nspname, r.rolname)
    from pg_catalog.pg_namespace n, aclexplode(n.nspacl) a left join pg_catalog.pg_roles r on r.oid = a.grantee
   where n.nspname = 'sworn' and a.grantee <> n.nspowner
  union all
  select 'table', c.relname::text, format('grant %s on %I to %s', lower(a.privilege_type), c.relname, coalesce(r.rolname, 'public'))
    from pg_catalog.pg_class c, aclexplode(c.relacl) a left join pg_catalog.pg_roles r on r.oid = a.grantee
   where c.relnamespace = 'sworn'::regnamespace and a.grantee <> c.relowner
  union all
  select 'table', c.relname::text, format('grant %s (%s) on %I to %s', lower(a.privilege_type),
         string_agg(t.attname, ', ' order by t.attnum), c.relname, coalesce(r.rolname, 'public'))
    from pg_catalog.pg_class c join pg_catalog.pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
         left join pg_catalog.pg_roles r on r.oid = a.grantee
   where c.relnamespace = 'sworn'::regnamespace and a.grantee <> c.relowner
   group by c.relname, a.privilege_type, r.rolname
  union all
  select 'function', p.oid::regprocedure::text, format('grant execute on function %s to %s', p.oid::regprocedure, coalesce(r.rolname, 'public'))
    from pg_catalog.pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a left join pg_catalog.pg_roles r on r.oid = a.grantee
   where p.pronamespace = 'sworn'::regnamespace and a.grantee <> p.proowner
),
lines (section, object, place, line) as (
  select 1, rolname::text, 0, format('role %s%s%s%s%s%s', rolname, case when rolcanlogin then ' login' else '' end,
         case when rolsuper then ' superuser' else '' end, case when rolcreaterole then ' createrole' else '' end,
         case when rolcreatedb then ' createdb' else '' end, case when rolreplication then ' replication' else '' end)
    from pg_catalog.pg_roles where rolname = any ($1)
  union all
  select 1, r.rolname::text, 1, '  set ' || unnest(s.setconfig)
    from pg_catalog.pg_db_role_setting s join pg_catalog.pg_roles r on r.oid = s.setrole where r.rolname = any ($1) and s.setdatabase = 0
  union all
  select 1, r.rolname::text, 2, format('  member of %s', g.rolname)
    from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.member join pg_catalog.pg_roles g on g.oid = m.roleid
   where r.rolname = any ($1)
  union all
  select 2, '', 0, format(E'\\nschema %I owner %s', nspname, pg_get_userbyid(nspowner)) from pg_catalog.pg_namespace where nspname = 'sworn'
  union all
  select 2, '', 1, '  ' || line from grants where kind = 'schema'
  union all
  select 3, c.relname::text, 0, format(E'\\n%s %I owner %s%s%s%s', case c.relkind when 'r' then 'table' when 'v' then 'view' else 'relation' end,
         c.relname, pg_get_userbyid(c.relowner), case when c.relrowsecurity then ' row security' else '' end,
         case when c.relforcerowsecurity then ' forced' else '' end, ' with ' || array_to_string(c.reloptions, ', '))
    from pg_catalog.pg_class c where c.relnamespace = 'sworn'::regnamespace and c.relkind not in ('i', 't', 'I')
  union all
  select 3, c.relname::text, 1000 + t.attnum, format('  %I %s%s%s%s', t.attname, format_type(t.atttypid, t.atttypmod),
         case when t.attnotnull then ' not null' else '' end, case when t.attstorage = 'e' then ' storage external' else '' end, ' default ' || pg_get_expr(d.adbin, d.adrelid))
    from pg_catalog.pg_class c join pg_catalog.pg_attribute t on t.attrelid = c.oid
         left join pg_catalog.pg_attrdef d on d.adrelid = c.oid and d.adnum = t.attnum
   where c.relnamespace = 'sworn'::regnamespace and c.relkind in ('r', 'p', 'v') and t.attnum > 0 and not t.attisdropped
  union all
  select 3, c.relname::text, 3000, format('  constraint %I %s', k.conname, pg_get_constraintdef(k.oid))
    from pg_catalog.pg_class c join pg_catalog.pg_constraint k on k.conrelid = c.oid
   where c.relnamespace = 'sworn'::regnamespace and k.contype in ('p', 'u', 'f', 'c', 'x')
  union all
  select 3, c.relname::text, 4000, '  ' || pg_get_indexdef(i.indexrelid)
    from pg_catalog.pg_class c join pg_catalog.pg_index i on i.indrelid = c.oid
   where c.relnamespace = 'sworn'::regnamespace and not exists (select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid)
  union all
  select 3, c.relname::text, 5000, format('  policy %I %s for %s to %s using (%s)%s', p.polname, case when p.polpermissive then 'permissive' else 'restrictive' end,
         case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
         case when p.polroles = '{0}' then 'public' else (select string_agg(rolname, ', ' order by rolname) from pg_catalog.pg_roles where oid = any (p.polroles)) end,
         pg_get_expr(p.polqual, p.polrelid), ' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
    from pg_catalog.pg_class c join pg_catalog.pg_policy p on p.polrelid = c.oid where c.relnamespace = 'sworn'::regnamespace
  union all
  select 3, c.relname::text, 6000, format('  %s%s', pg_get_triggerdef(g.oid),
         case g.tgenabled when 'O' then '' when 'D' then ' -- disabled' else ' -- enabled otherwise' end)
    from pg_catalog.pg_class c join pg_catalog.pg_trigger g on g.tgrelid = c.oid where c.relnamespace = 'sworn'::regnamespace and not g.tgisinternal
  union all
  select 3, object, 7000, '  ' || line from grants where kind = 'table'
  union all
  select 4, p.oid::regprocedure::text, 0, format(E'\\nfunction %s owner %s%s', p.oid::regprocedure, pg_get_userbyid(p.proowner), case when p.prosecdef then ' security definer' else '' end)
    from pg_catalog.pg_proc p where p.pronamespace = 'sworn'::regnamespace
  union all
  select 4, p.oid::regprocedure::text, 1, pg_get_functiondef(p.oid) from pg_catalog.pg_proc p where p.pronamespace = 'sworn'::regnamespace
  union all
  select 4, object, 2, '  ' || line from grants where kind = 'function'
)
select line from lines order by section, object collate "C", place, line collate "C"`;
