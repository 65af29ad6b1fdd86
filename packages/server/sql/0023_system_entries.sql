-- A list of what `system` says walks its leaves, so that a row that is gone hides none: those that have a row in `system_records`, in the order of places.
-- The log stands behind the index of the leaf, so that its generations are one walk (store/entryPlaces.ts). Of steps, resources and telemetry nothing is kept.
create index leaf_system_entries on sworn.leaf (tenant_id, leaf_index, log) where log > 's' and kind <> 'RESOURCE' and kind <> 'TELEMETRY';
