fn sum(numbers: &[i64]) -> i64 {
    numbers.iter().sum()
}

fn main() {
    println!("{}", sum(&[1, 2, 3]));
}

#[test]
fn adds() {
    assert_eq!(sum(&[1, 2, 3]), 6);
}
