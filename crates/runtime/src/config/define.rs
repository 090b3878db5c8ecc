//! The macro behind the table: one entry becomes a documented field, its reader and its [`Key`](super::Key).

/// Defines `Config`, its sections and `KEYS`.
///
/// An entry reads `name: Type as Format = "default" in min..=max;`, where the format is an implementation of
/// [`Format`](super::format::Format) for the type, and the bounds are given for numbers only.
macro_rules! configuration {
    (
        root { $(
            $(#[doc = $root_doc:literal])+
            $root:ident : $root_type:ty as $root_format:ty = $root_default:literal;
        )* }
        $(
            $(#[doc = $section_doc:literal])+
            $section:ident : $Section:ident { $(
                $(#[doc = $doc:literal])+
                $field:ident : $type:ty as $format:ty = $default:literal $(in $min:literal ..= $max:literal)?;
            )* }
        )*
    ) => {
        /// Everything that can be configured, validated. See `docs/configuration.md`.
        #[derive(Debug, Clone)]
        pub struct Config {
            $( $(#[doc = $root_doc])+ pub $root: $root_type, )*
            $( $(#[doc = $section_doc])+ pub $section: $Section, )*
            pub(super) origins: super::Origins,
        }

        $(
            $(#[doc = $section_doc])+
            #[derive(Debug, Clone)]
            pub struct $Section { $( $(#[doc = $doc])+ pub $field: $type, )* }

            impl $Section {
                fn read(reader: &mut Reader) -> Self {
                    Self { $(
                        $field: reader.read::<$format, $type>(concat!(stringify!($section), ".", stringify!($field))),
                    )* }
                }

                fn show(&self, shown: &mut Vec<String>) {
                    $( shown.push(<$format as Format<$type>>::show(&self.$field)); )*
                }
            }
        )*

        impl Config {
            /// Takes every key from the reader, which falls back to the default and notes what is wrong.
            pub(super) fn read(reader: &mut Reader) -> Self {
                Self {
                    $( $root: reader.read::<$root_format, $root_type>(stringify!($root)), )*
                    $( $section: $Section::read(reader), )*
                    origins: super::Origins::new(),
                }
            }

            /// Every value as text without secrets, in the order of `KEYS`.
            pub(super) fn shown(&self) -> Vec<String> {
                let mut shown = Vec::with_capacity(KEYS.len());
                $( shown.push(<$root_format as Format<$root_type>>::show(&self.$root)); )*
                $( self.$section.show(&mut shown); )*
                shown
            }
        }

        pub(super) static KEYS: &[Key] = &[
            $( configuration!(@key stringify!($root), concat!($($root_doc, "\n"),+), $root_default,
                $root_type, $root_format, Bounds::NONE), )*
            $( $( configuration!(@key concat!(stringify!($section), ".", stringify!($field)),
                concat!($($doc, "\n"),+), $default, $type, $format, configuration!(@bounds $($min, $max)?)), )* )*
        ];

        /// Name and meaning of every section.
        pub(super) static SECTIONS: &[(&str, &str)] =
            &[ $( (stringify!($section), concat!($($section_doc, "\n"),+)), )* ];
    };
    (@bounds) => { Bounds::NONE };
    (@bounds $min:literal, $max:literal) => { Bounds { min: $min, max: $max } };
    (@key $name:expr, $meaning:expr, $default:expr, $type:ty, $format:ty, $bounds:expr) => {
        Key {
            name: $name,
            meaning: $meaning,
            default: $default,
            secret: <$format as Format<$type>>::SECRET,
            bounds: $bounds,
            file_type: <$format as Format<$type>>::FILE_TYPE,
            expected: <$format as Format<$type>>::expected,
        }
    };
}

pub(super) use configuration;
