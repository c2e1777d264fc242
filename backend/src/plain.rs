//! Handlers for resources that are no more than their table.

use axum::{
    extract::{self, Path},
    routing::{self, MethodRouter},
};

use crate::{
    body::Fields,
    caller::Tenant,
    paging::Wanted,
    problem::Problem,
    resource::{Resource, created, listed, shown},
    server::State,
};

/// `GET` of a collection.
pub(crate) fn list(resource: &'static Resource) -> MethodRouter<State> {
    routing::get(
        async |extract::State(state): extract::State<State>, tenant: Tenant, wanted: Wanted| {
            let rows = resource.list(&state.db, &tenant.0, &wanted).await?;
            Ok::<_, Problem>(listed(rows))
        },
    )
}

/// `POST` to a collection.
pub(crate) fn create(resource: &'static Resource) -> MethodRouter<State> {
    routing::post(
        async |extract::State(state): extract::State<State>, tenant: Tenant, fields: Fields| {
            let row = resource.create(&state.db, &tenant.0, &fields, &[]).await?;
            Ok::<_, Problem>(created(row))
        },
    )
}

/// `GET` of one object.
pub(crate) fn read(resource: &'static Resource) -> MethodRouter<State> {
    routing::get(
        async |extract::State(state): extract::State<State>,
               tenant: Tenant,
               Path(id): Path<String>| {
            let row = resource.read(&state.db, &tenant.0, &id).await?;
            Ok::<_, Problem>(shown(row))
        },
    )
}

/// `PATCH` of one object.
pub(crate) fn update(resource: &'static Resource) -> MethodRouter<State> {
    routing::patch(
        async |extract::State(state): extract::State<State>,
               tenant: Tenant,
               Path(id): Path<String>,
               fields: Fields| {
            let row = resource.update(&state.db, &tenant.0, &id, &fields).await?;
            Ok::<_, Problem>(shown(row))
        },
    )
}

/// `DELETE` of one object.
pub(crate) fn delete(resource: &'static Resource) -> MethodRouter<State> {
    routing::delete(
        async |extract::State(state): extract::State<State>,
               tenant: Tenant,
               Path(id): Path<String>| { resource.delete(&state.db, &tenant.0, &id).await },
    )
}
