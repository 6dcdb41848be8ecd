//! The cast: invented people of an invented clinic. Their passwords and PINs are good for this demo only.

use bedside_protocol::people::{OnCallPlace, StaffRole};

/// The clinic's short name.
pub const CLINIC: &str = "demo";

/// The zone of clinic and patient. Arizona has no clock changes, so the story plays alike on every day of the year.
pub const ZONE: &str = "America/Phoenix";

/// The clinic's telephone number.
pub const CLINIC_PHONE: &str = "+1 555 010 0100";

/// A member of staff.
#[derive(Debug, Clone, Copy)]
pub struct Staff {
    /// Full name.
    pub name: &'static str,
    /// What they are.
    pub role: StaffRole,
    /// Their place on the on-call list.
    pub place: OnCallPlace,
    /// Log-in and address.
    pub email: &'static str,
    /// Password.
    pub password: &'static str,
    /// On-call PIN.
    pub pin: &'static str,
}

impl Staff {
    /// First name.
    pub fn first_name(&self) -> &'static str {
        self.name.split(' ').next().unwrap_or(self.name)
    }
}

/// The nurse on call.
pub const NORA: Staff = Staff {
    name: "Nora Field",
    role: StaffRole::Nurse,
    place: OnCallPlace::Nurse,
    email: "nora@clinic.example",
    password: "demo nurse nora",
    pin: "482715",
};

/// The backup.
pub const BEN: Staff = Staff {
    name: "Ben Ortiz",
    role: StaffRole::Nurse,
    place: OnCallPlace::Backup,
    email: "ben@clinic.example",
    password: "demo backup ben",
    pin: "730264",
};

/// The prescriber.
pub const PRIYA: Staff = Staff {
    name: "Priya Shah",
    role: StaffRole::Prescriber,
    place: OnCallPlace::Prescriber,
    email: "priya@clinic.example",
    password: "demo prescriber priya",
    pin: "915038",
};

/// The manager.
pub const MARTA: Staff = Staff {
    name: "Marta Lind",
    role: StaffRole::Manager,
    place: OnCallPlace::Manager,
    email: "marta@clinic.example",
    password: "demo manager marta",
    pin: "260941",
};

/// The administrator.
pub const ADA: Staff = Staff {
    name: "Ada Brandt",
    role: StaffRole::Administrator,
    place: OnCallPlace::Administrator,
    email: "ada@clinic.example",
    password: "demo administrator ada",
    pin: "647182",
};

/// The coordinator.
pub const COLE: Staff = Staff {
    name: "Cole Adeyemi",
    role: StaffRole::Coordinator,
    place: OnCallPlace::Coordinator,
    email: "cole@clinic.example",
    password: "demo coordinator cole",
    pin: "358206",
};

/// Told when nobody else is left.
pub const FINN: Staff = Staff {
    name: "Finn Mercer",
    role: StaffRole::Nurse,
    place: OnCallPlace::Fallback,
    email: "finn@clinic.example",
    password: "demo fallback finn",
    pin: "803571",
};

/// All staff.
pub const STAFF: [Staff; 7] = [NORA, BEN, PRIYA, MARTA, ADA, COLE, FINN];

/// The patient.
pub mod patient {
    /// Full name.
    pub const NAME: &str = "Jordan Rivers";
    /// First name.
    pub const FIRST_NAME: &str = "Jordan";
    /// Log-in and address.
    pub const EMAIL: &str = "jordan@home.example";
    /// Telephone number.
    pub const PHONE: &str = "+1 555 010 0142";
    /// Where they take their lozenges.
    pub const ADDRESS: &str = "12 Mesa Lane, Apartment 3, Phoenix, Arizona";
    /// The state of that address.
    pub const REGION: &str = "US-AZ";
    /// The nearest emergency room, and where it is.
    pub const EMERGENCY_ROOM: (&str, &str) = ("Valley Hospital", "1 Camelback Road, Phoenix, Arizona");
    /// Password.
    pub const PASSWORD: &str = "demo patient jordan";
    /// A second person to call.
    pub const CONTACT_NAME: &str = "Morgan Rivers";
    /// Their number.
    pub const CONTACT_PHONE: &str = "+1 555 010 0177";
}

/// The sitter.
pub mod sitter {
    /// Name.
    pub const NAME: &str = "Sam Carter";
    /// First name.
    pub const FIRST_NAME: &str = "Sam";
    /// Address.
    pub const EMAIL: &str = "sam@home.example";
    /// Telephone number.
    pub const PHONE: &str = "+1 555 010 0163";
}

/// Who has this address, for the audience.
pub fn called(email: &str) -> String {
    match email {
        patient::EMAIL => format!("{} (patient)", patient::FIRST_NAME),
        sitter::EMAIL => format!("{} (sitter)", sitter::FIRST_NAME),
        _ => STAFF.iter().find(|staff| staff.email == email).map_or_else(
            || email.to_owned(),
            |staff| format!("{} ({})", staff.first_name(), staff.place.name()),
        ),
    }
}
