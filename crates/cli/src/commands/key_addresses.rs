//! The client addresses from which a key may be used.

use demur_admission::AddressFilter;
use ipnet::IpNet;

use crate::args::CreateKeyArgs;
use crate::exit::CommandFailure;

/// Reads `--allow-address` and `--deny-address`.
pub(super) fn read(args: &CreateKeyArgs) -> Result<AddressFilter, CommandFailure> {
    AddressFilter::parse(&args.allowed_addresses, &args.denied_addresses).map_err(|error| {
        let help = "use `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`".to_owned();
        CommandFailure::usage(error.to_string(), help)
    })
}

/// The addresses in words.
pub(super) fn text(addresses: &AddressFilter) -> String {
    let listed = |networks: &[IpNet]| networks.iter().map(IpNet::to_string).collect::<Vec<_>>().join(", ");
    let allowed = if addresses.allowed().is_empty() { "all".to_owned() } else { listed(addresses.allowed()) };
    match addresses.denied() {
        [] => allowed,
        denied => format!("{allowed}, without {}", listed(denied)),
    }
}
