import __main__
n = int(input())
a = list(map(int, input().split()))
__main__.answer = sum(a)
print(answer)
