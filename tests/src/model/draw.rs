//! Worlds and requests made up at random, so that nothing is rare that matters: a request of
//! nothing but chance would nearly always be refused by one of the first layers.

mod body;
mod request;
mod world;

pub use request::request;
pub use world::world;

/// Every role.
const ROLES: [&str; 10] = [
    "PLATFORM_ADMIN",
    "GROUP_ADMIN",
    "ORG_ADMIN",
    "DOCTOR",
    "NURSE",
    "PHARMACIST",
    "RECEPTIONIST",
    "LAB_TECH",
    "BILLING",
    "OTHER",
];
/// The last of them is none that the policies know.
const FEATURES: [&str; 3] = ["codes", "ai_notes", "analytics"];
const WORKFLOWS: [&str; 3] = ["prior_auth", "patient_questions", "recalls"];
