use super::{Ended, Revocation, Schedule, SecretRotation, SecretRotationEvent};
use crate::{aggregate::Fold, command::State, event::Event, stream::AggregateType};

impl Fold for SecretRotation {
    const TYPE: AggregateType = AggregateType::SecretRotation;
    type Event = SecretRotationEvent;

    fn fold(before: Option<Self>, event: &SecretRotationEvent) -> Option<Self> {
        match event {
            SecretRotationEvent::SecretIssued { issued } => {
                let mut rotation = before.unwrap_or_default();
                rotation.add(issued);
                rotation.remind();
                Some(rotation)
            }
            SecretRotationEvent::SecretRotated { issued, retires } => {
                let mut rotation = before.unwrap_or_default();
                for retirement in retires {
                    if let Some(old) = rotation.secrets.get_mut(&retirement.secret) {
                        old.retires_at = Some(retirement.retires_at);
                    }
                }
                rotation.add(issued);
                rotation.remind();
                rotation.schedule = rotation
                    .schedule
                    .map(|schedule| schedule.rotated(issued.issued_at));
                Some(rotation)
            }
            SecretRotationEvent::RetirementDeferred { secret, retires_at } => {
                before.map(|mut rotation| {
                    if let Some(secret) = rotation.secrets.get_mut(secret) {
                        secret.retires_at = Some(*retires_at);
                    }
                    rotation
                })
            }
            SecretRotationEvent::SecretRetired { secret } => before.map(|mut rotation| {
                rotation.end(*secret, Ended::Retired);
                rotation.remind();
                rotation
            }),
            SecretRotationEvent::SecretExpired { secret } => before.map(|mut rotation| {
                rotation.end(*secret, Ended::Expired);
                rotation.remind();
                rotation
            }),
            SecretRotationEvent::RotationScheduled {
                every_seconds,
                overlap_seconds,
                next_due_at,
            } => {
                let mut rotation = before.unwrap_or_default();
                rotation.schedule = Some(Schedule {
                    every_seconds: *every_seconds,
                    overlap_seconds: *overlap_seconds,
                    next_due_at: *next_due_at,
                    announced: false,
                });
                Some(rotation)
            }
            SecretRotationEvent::RotationScheduleCancelled {} => before.map(|mut rotation| {
                rotation.schedule = None;
                rotation.reminder = None;
                for secret in rotation.secrets.values_mut() {
                    secret.rotate_by = None;
                }
                rotation
            }),
            SecretRotationEvent::RotationDue { due_at: _ } => before.map(|mut rotation| {
                if let Some(schedule) = &mut rotation.schedule {
                    schedule.announced = true;
                } else if let Some(reminder) = &mut rotation.reminder {
                    reminder.announced = true;
                }
                rotation
            }),
            SecretRotationEvent::SecretRevoked {
                secret,
                reason: _,
                compromised,
            } => before.map(|mut rotation| {
                if let Some(secret) = rotation.secrets.get_mut(secret) {
                    secret.revoked = Some(if *compromised {
                        Revocation::Compromised
                    } else {
                        Revocation::Withdrawn
                    });
                }
                rotation.remind();
                rotation
            }),
        }
    }

    fn event(event: &Event) -> Option<&SecretRotationEvent> {
        match event {
            Event::SecretRotation(event) => Some(event),
            _ => None,
        }
    }

    fn into_state(state: Option<Self>) -> State {
        State::SecretRotation(state)
    }
}
